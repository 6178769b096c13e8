//! What time it is.

use jiff::Timestamp;

/// What time it is, for whoever writes times: the machine's clock, unless somebody simulates.
#[derive(Debug, Clone, Copy)]
pub struct Clock(fn() -> Timestamp);

impl Clock {
    /// A clock that is read in this way.
    #[must_use]
    pub const fn new(read: fn() -> Timestamp) -> Self {
        Self(read)
    }

    /// What time it is now.
    #[must_use]
    pub fn now(self) -> Timestamp {
        (self.0)()
    }
}

/// The machine's.
impl Default for Clock {
    fn default() -> Self {
        Self(Timestamp::now)
    }
}
