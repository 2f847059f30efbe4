//! Time as one integer, which fits an atomic and has exact arithmetic.
//!
//! A tick is a sixteenth of a nanosecond: short enough for the price of one byte at 16 GB/s. 64 bits
//! of ticks last 36 years.

use std::time::Duration;

use tokio::time::Instant;

/// Ticks in a second.
pub(crate) const SECOND: u64 = 16_000_000_000;

/// Converts a duration to ticks, saturating at about 36 years.
pub(crate) fn ticks(duration: Duration) -> u64 {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    nanos.saturating_mul(16)
}

/// Converts ticks to a duration, rounded up to the nanosecond.
pub(crate) const fn duration(ticks: u64) -> Duration {
    Duration::from_nanos(ticks.div_ceil(16))
}

/// Counts ticks since its start, on tokio's clock, which tests can pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(crate) fn now(self) -> u64 {
        let since = Instant::now().saturating_duration_since(self.origin);
        since.as_secs() * SECOND + u64::from(since.subsec_nanos()) * 16
    }

    /// Converts a tick to an instant.
    ///
    /// A tick that cannot be represented becomes a year from now.
    pub(crate) fn instant(self, ticks: u64) -> Instant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        self.origin
            .checked_add(duration(ticks))
            .unwrap_or_else(|| Instant::now() + YEAR)
    }
}

const _: () = assert!(ticks_fit());

const fn ticks_fit() -> bool {
    // Twice the longest duration that a setting allows, ten years.
    SECOND.checked_mul(20 * 365 * 24 * 3600).is_some()
}

/// Returns pseudo-random ticks below `spread`, by connection and moment.
///
/// It is the finalizer of SplitMix64.
pub(crate) fn scatter(id: u64, now: u64, spread: u64) -> u64 {
    let mut z = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ now;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % spread.max(1)
}
