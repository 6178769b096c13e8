//! Who may ask for what, and in which version of the API.

use axum::http::Method;
use jiff::civil::{Date, date};

use super::errors;
use crate::answer::Answer;
use crate::exchange::Received;

/// The first version. <https://docs.stripe.com/changelog>
const FIRST: Date = date(2011, 1, 1);
/// From then on a version has its release's name after its date.
/// <https://docs.stripe.com/sdks/versioning#stripe-api-release-process>
const NAMED_FROM: Date = date(2024, 9, 30);

/// # Errors
/// If the credential is none, may not do it, or the version is none.
pub(super) fn check(received: &Received) -> Result<(), Answer> {
    authenticate(received)?;
    match received.header("stripe-version") {
        Some(version) if !is_version(version) => Err(errors::unknown_version(version)),
        Some(_) | None => Ok(()),
    }
}

/// Bearer, or Basic's user name, which Stripe takes too, is left out: our adapter sends Bearer.
///
/// A restricted key says itself what it may: `rk_test_payment_intent_write-charge_read`.
/// <https://docs.stripe.com/keys/restricted-api-keys>
fn authenticate(received: &Received) -> Result<(), Answer> {
    let given = received.header("authorization");
    let Some(key) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Err(errors::no_credential());
    };
    if key
        .strip_prefix("sk_test_")
        .is_some_and(|rest| !rest.is_empty())
    {
        return Ok(());
    }
    let Some(allowed) = key.strip_prefix("rk_test_") else {
        return Err(errors::invalid_credential());
    };
    let (what, write) = (
        resource(received.uri.path()),
        format!("{}_write", resource(received.uri.path())),
    );
    let needed = if received.method == Method::GET {
        format!("{what}_read")
    } else {
        write.clone()
    };
    // Who may write may read.
    if allowed.split('-').any(|one| one == needed || one == write) {
        return Ok(());
    }
    Err(errors::not_permitted(&needed))
}

/// As permissions call what a path is about: refunds are the charges'.
fn resource(path: &str) -> &'static str {
    match path.split('/').nth(2) {
        Some("payment_intents") => "payment_intent",
        Some("payment_methods") => "payment_method",
        Some("customers") => "customer",
        Some("disputes") => "dispute",
        Some(_) | None => "charge",
    }
}

/// Whether one could be: which there were, only Stripe knows.
fn is_version(version: &str) -> bool {
    let (day, name) = match version.split_once('.') {
        Some((day, name)) => (day, Some(name)),
        None => (version, None),
    };
    let Ok(day) = day.parse::<Date>() else {
        return false;
    };
    let named = |name: &str| !name.is_empty() && name.bytes().all(|one| one.is_ascii_lowercase());
    day >= FIRST && name.is_some_and(named) == (day >= NAMED_FROM) && name.is_none_or(named)
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn a_version_is_a_day_and_lately_the_releases_name() {
        for version in [
            "2020-08-27",
            "2024-06-20",
            "2024-09-30.acacia",
            "2025-12-15.clover",
        ] {
            assert!(is_version(version), "{version}");
        }
        for version in [
            "1999-01-01",
            "2025-12-15",
            "2020-08-27.clover",
            "2025-12-15.",
            "2025-13-15.clover",
            "latest",
            "",
        ] {
            assert!(!is_version(version), "{version}");
        }
    }
}
