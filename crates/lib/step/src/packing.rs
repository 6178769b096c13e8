//! How the account packs: what `validate` refuses by, and what `ship` buys by.

use domain::Packing;

use crate::InitError;
use crate::env;

/// Reads `CARRIER_GRAMS_PER_PIECE`, `CARRIER_MAX_PARCEL_G`, `CARRIER_DOMESTIC_COUNTRIES`, a JSON array,
/// `CARRIER_MULTI_PACKAGE`, `true` or `false`, and whether there is a `CARRIER_SERVICE_CODE_ABROAD`.
///
/// # Errors
/// Names what is missing.
pub fn packing() -> Result<Packing, InitError> {
    let grams = |text: &str| text.parse().ok().filter(|grams: &u32| *grams > 0);
    Ok(Packing {
        grams_per_piece: env::parsed("CARRIER_GRAMS_PER_PIECE", grams)?,
        max_parcel_g: env::parsed("CARRIER_MAX_PARCEL_G", grams)?,
        domestic_countries: env::parsed("CARRIER_DOMESTIC_COUNTRIES", |json| {
            serde_json::from_str(json).ok()
        })?,
        ships_abroad: env::optional("CARRIER_SERVICE_CODE_ABROAD").is_some(),
        multi_package: env::parsed("CARRIER_MULTI_PACKAGE", |text| text.parse().ok())?,
    })
}
