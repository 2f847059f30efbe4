//! Time as one integer, which fits an atomic and has exact arithmetic.
//!
//! A tick is a sixteenth of a nanosecond: short enough for the price of one byte at 16 GB/s. 64 bits
//! of ticks last 36 years.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

thread_local! {
    static READING: Cell<SharedReading> = const { Cell::new(SharedReading::Off) };
}

/// A reading of the clock that the operations of one poll share.
#[derive(Debug, Clone, Copy)]
enum SharedReading {
    Off,
    Due,
    Taken { origin: Instant, tick: u64 },
}

/// Lets a read and its writes share one clock reading.
///
/// A relay moves a message with one reading instead of two.
pub(crate) struct SharesReading(());

impl SharesReading {
    pub(crate) fn start() -> Self {
        READING.set(SharedReading::Due);
        Self(())
    }
}

impl Drop for SharesReading {
    fn drop(&mut self) {
        READING.set(SharedReading::Off);
    }
}

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

    /// Returns the tick of the shared reading, which the first call takes.
    ///
    /// Now without [`SharesReading`]. A loop that waits for a later tick must read anew.
    pub(crate) fn shared_now(self) -> u64 {
        let reading = READING.get();
        match reading {
            SharedReading::Taken { origin, tick } if origin == self.origin => return tick,
            _ => {}
        }
        let tick = self.now();
        if !matches!(reading, SharedReading::Off) {
            let origin = self.origin;
            READING.set(SharedReading::Taken { origin, tick });
        }
        tick
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

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn reading_shared_until_guard_dropped() {
        let clock = Clock::start();
        let shares = SharesReading::start();
        let first = clock.shared_now();
        tokio::time::advance(STEP).await;
        assert_eq!(clock.shared_now(), first);
        assert_eq!(clock.now(), first + ticks(STEP), "other readings are new");
        drop(shares);
        assert_eq!(clock.shared_now(), clock.now());
        let _shares = SharesReading::start();
        assert_eq!(clock.shared_now(), clock.now(), "the next guard reads anew");
    }

    #[tokio::test(start_paused = true)]
    async fn reading_not_shared_between_clocks() {
        let early = Clock::start();
        tokio::time::advance(STEP).await;
        let late = Clock::start();
        let _shares = SharesReading::start();
        assert_eq!((early.shared_now(), late.shared_now()), (ticks(STEP), 0));
        assert_eq!(early.shared_now(), ticks(STEP));
    }

    /// The first outputs of SplitMix64 with the seed 0.
    #[test]
    fn scatter_is_splitmix64() {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let outputs = [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ];
        for (id, output) in (1_u64..).zip(outputs) {
            assert_eq!(scatter(id, 0, u64::MAX), output);
            assert_eq!(scatter(id, 0, 1000), output % 1000);
            assert_eq!(scatter(id, 0, 0), 0);
            // The moment is mixed in with XOR.
            let now = GOLDEN.wrapping_mul(id) ^ GOLDEN;
            assert_eq!(scatter(id, now, u64::MAX), outputs[0]);
        }
    }
}
