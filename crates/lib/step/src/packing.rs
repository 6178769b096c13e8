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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::elsewhere::{is_here, start};

    const NAME: &str = "packing::tests::what_the_account_packs_by_is_read_from_its_settings";

    /// What is made of these settings.
    fn read(settings: &[(&str, &str)]) -> String {
        let mut process = start(NAME, settings);
        let mut told = String::new();
        let output = process.stdout.as_mut().expect("its output");
        output.read_to_string(&mut told).expect("a text");
        assert!(process.wait().expect("it ends").success(), "{told}");
        let line = told.lines().find_map(|line| line.strip_prefix("read: "));
        line.expect("what was read").to_owned()
    }

    #[test]
    fn what_the_account_packs_by_is_read_from_its_settings() {
        if is_here() {
            match packing() {
                Ok(packing) => println!("\nread: {packing:?}"),
                Err(error) => println!("\nread: {error}"),
            }
            return;
        }
        let settings = [
            ("CARRIER_GRAMS_PER_PIECE", "500"),
            ("CARRIER_MAX_PARCEL_G", "1"),
            ("CARRIER_DOMESTIC_COUNTRIES", "[\"US\"]"),
            ("CARRIER_MULTI_PACKAGE", "true"),
        ];
        let text = "Packing { grams_per_piece: 500, max_parcel_g: 1, domestic_countries: \
            {Country(redacted)}, ships_abroad: false, multi_package: true }";
        assert_eq!(read(&settings), text);
        let abroad = [settings.as_slice(), &[("CARRIER_SERVICE_CODE_ABROAD", "x")]].concat();
        assert!(read(&abroad).contains("ships_abroad: true"));
        for (index, wrong) in [(0, "0"), (1, "0"), (2, "US"), (3, "1")] {
            let mut settings = settings;
            settings[index].1 = wrong;
            let name = settings[index].0;
            let text = format!("the environment variable {name} is not what it must be: {wrong}");
            assert_eq!(read(&settings), text);
        }
    }
}
