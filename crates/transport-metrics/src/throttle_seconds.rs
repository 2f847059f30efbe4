//! Throttled seconds as an integer counter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::Counter;
use transport_core::{Direction, Scope};

use crate::family::{Family, Registrar};
use crate::table;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Whole seconds of throttling, per scope and direction.
///
/// The facade's counters are integers. Fractions of a second are carried over here, so that the
/// counter rounds the sum down once, not each duration.
#[derive(Debug)]
pub(crate) struct ThrottleSeconds {
    seconds: Family<Counter, 2>,
    nanos: [[AtomicU64; Direction::ALL.len()]; Scope::ALL.len()],
}

impl ThrottleSeconds {
    pub(crate) fn register(registrar: Registrar<'_>) -> Self {
        Self {
            seconds: Family::register(registrar, &table::THROTTLE),
            nanos: Default::default(),
        }
    }

    pub(crate) fn add(&self, scope: Scope, direction: Direction, parked: Duration) {
        let (scope, direction) = (scope as usize, direction as usize);
        let parked = u64::try_from(parked.as_nanos()).unwrap_or(u64::MAX);
        let before = self.nanos[scope][direction].fetch_add(parked, Ordering::Relaxed);
        // Each call owns the interval from `before` on, so that concurrent calls add up exactly.
        let after = before.saturating_add(parked);
        let whole = after / NANOS_PER_SEC - before / NANOS_PER_SEC;
        if whole > 0 {
            self.seconds.at([scope, direction]).increment(whole);
        }
    }
}
