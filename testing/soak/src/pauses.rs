//! Pauses of this process, which are no failure of a server.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The interval of ticks.
const TICK: Duration = Duration::from_millis(250);
/// The shortest gap between ticks that is a pause.
const GAP: Duration = Duration::from_secs(4);

/// Pauses: the process was stopped, or had no processor.
///
/// Servers end connections whose peer is silent for so long. Failures of actions that a pause
/// overlaps therefore do not count.
#[derive(Default)]
pub(crate) struct Pauses(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    last_end: Option<Instant>,
    count: u32,
    total: Duration,
}

impl Pauses {
    /// Watches for pauses until the load ends; waits a tick for that.
    pub(crate) fn watch(&self, is_over_within: impl Fn(Duration) -> bool) {
        let mut before = Instant::now();
        while !is_over_within(TICK) {
            let now = Instant::now();
            let gap = now.duration_since(before);
            if gap >= GAP {
                let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                seen.last_end = Some(now);
                seen.count += 1;
                seen.total += gap;
            }
            before = now;
        }
    }

    /// Returns whether a pause overlaps the time since `started`.
    ///
    /// It waits for a tick, because other threads may run before the watcher after a pause.
    pub(crate) fn overlap(&self, started: Instant) -> bool {
        thread::sleep(TICK * 2);
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last_end.is_some_and(|end| end >= started)
    }

    pub(crate) fn summary(&self) -> String {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{} pauses of {:.0} s", seen.count, seen.total.as_secs_f64())
    }
}
