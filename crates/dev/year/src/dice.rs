//! Chance that is the same for the same seed, whoever else plays.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A stream of numbers that follows from a seed and from what it is for.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// For something that has a name: its numbers do not depend on what else happens.
    pub(crate) fn of(seed: u64, what: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, what).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The next number: `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, or zero.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.roll().checked_rem(limit).unwrap_or(0)
    }

    /// A number from `from` up to and without `to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from))
    }

    /// Whether something happens that does so in `of_ten_thousand` cases.
    pub(crate) fn happens(&mut self, of_ten_thousand: u64) -> bool {
        self.below(10_000) < of_ten_thousand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_and_seed_are_the_same_numbers_and_others_are_others() {
        let rolled = |seed, name: &str| {
            let mut dice = Dice::of(seed, name);
            [dice.roll(), dice.roll()]
        };
        assert_eq!(rolled(1, "a"), rolled(1, "a"));
        assert_ne!(rolled(1, "a"), rolled(1, "b"));
        assert_ne!(rolled(1, "a"), rolled(2, "a"));
    }

    #[test]
    fn what_happens_in_so_many_cases_does_so_about_as_often() {
        let mut dice = Dice::of(7, "cases");
        let often = (0..10_000).filter(|_| dice.happens(500)).count();
        assert!((400..600).contains(&often), "{often}");
    }
}
