//! How long things may take.
//!
//! Everything that waits has a limit, and the limits nest: what a function's calls can add up to is
//! less than its timeout, which is less than its task's. `tests/tests/contract.rs` reads the last
//! two from Terraform and the state machine and holds all three against each other.

use std::time::Duration;

/// The longest that one database operation takes, all its attempts together.
pub const STORE_OPERATION: Duration = Duration::from_secs(2);
/// The longest that one call to a provider takes: connecting, sending, waiting and reading. A bank
/// may think for seconds before it holds money.
pub const PROVIDER_CALL: Duration = Duration::from_secs(6);
/// The longest that buying a label takes. The carrier behind ShipStation is asked for it meanwhile, and may
/// take half a minute; ShipStation's own clients wait 60 seconds.
/// <https://github.com/ShipEngine/shipengine-js/blob/main/docs/README.md>
pub const BUYING_A_LABEL: Duration = Duration::from_mins(1);
/// Of that, connecting.
pub const PROVIDER_CONNECT: Duration = Duration::from_secs(2);

/// What `store_operations` and `provider_calls`, one after the other, can add up to.
#[must_use]
pub const fn worst_case(store_operations: u32, provider_calls: u32) -> Duration {
    Duration::from_secs(
        STORE_OPERATION.as_secs() * store_operations as u64
            + PROVIDER_CALL.as_secs() * provider_calls as u64,
    )
}

/// A side effect by [`crate::once`] with at most `provider_calls`: two claims (a fresh one and a
/// take-over), the credential, then a commit and, if that fails, the end of the lease.
#[must_use]
pub const fn once(provider_calls: u32) -> Duration {
    worst_case(5, provider_calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_calls_can_add_up_to_counts_each_of_them() {
        assert_eq!(worst_case(0, 0), Duration::ZERO);
        assert_eq!(worst_case(3, 0), 3 * STORE_OPERATION);
        assert_eq!(worst_case(2, 3), 2 * STORE_OPERATION + 3 * PROVIDER_CALL);
        assert_eq!(once(2), 5 * STORE_OPERATION + 2 * PROVIDER_CALL);
    }
}
