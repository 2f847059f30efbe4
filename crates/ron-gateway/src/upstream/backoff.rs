//! The length of a rest: exponential, capped, with jitter.

use std::time::Duration;

/// Longest first rest.
pub(super) const FIRST: Duration = Duration::from_secs(1);
/// Longest rest.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// Draws the length of rests. The same seed yields the same lengths.
#[derive(Debug)]
pub(super) struct Backoff(u64);

impl Backoff {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the rest after this many failures in a row.
    ///
    /// It is between half of the exponential value and the whole value, so that replicas that lost
    /// a target together do not return to it together.
    pub(super) fn rest(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        let half = whole / 2;
        // The upper bits are the better ones; 2^32 parts are fine enough.
        let part = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        half + half.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }

    /// Returns the next number of the generator `splitmix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_the_cap() {
        let mut backoff = Backoff::new(7);
        for (failures, longest) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (u32::MAX, 30)] {
            let longest = Duration::from_secs(longest);
            for _ in 0..100 {
                let rest = backoff.rest(failures);
                assert!(
                    rest >= longest / 2 && rest <= longest,
                    "{failures}: {rest:?}"
                );
            }
        }
    }

    #[test]
    fn same_seed_yields_the_same_rests() {
        let rests = |seed| {
            let mut backoff = Backoff::new(seed);
            [1, 2, 3, 4].map(|failures| backoff.rest(failures))
        };
        assert_eq!(rests(3), rests(3));
        assert_ne!(rests(3), rests(4));
    }
}
