//! What a postal address needs, by its country.

/// Countries whose addresses are not complete without a state, province or territory, and whose carriers refuse
/// them. Of the countries for which `require` has an `S` in
/// <https://github.com/google/libaddressinput/blob/master/cpp/src/region_data_constants.cc>, those that print
/// it beside the postal code: elsewhere customers leave it out, and letters arrive.
const WITH_REGIONS: [&str; 7] = ["AU", "BR", "CA", "CN", "IN", "MX", "US"];

/// Whether an address in this country (ISO 3166-1 alpha-2) needs its region.
pub(crate) fn needs_region(country: &str) -> bool {
    WITH_REGIONS.contains(&country)
}
