//! Watchers of a connection's deadlines, in place of its halves.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use transport_core::Op;

use super::ConnState;

impl ConnState {
    /// Returns a guard for the evaluation of both legs' deadlines.
    ///
    /// [`watched_at`](Self::watched_at) announces its tick. Until the guard is dropped, the halves arm no
    /// timer for deadlines from that tick on, so a relay needs one timer.
    pub(crate) const fn watch(&self) -> WatchGuard<'_> {
        WatchGuard(self)
    }

    /// Notes when the watcher evaluates the deadlines next.
    pub(crate) fn watched_at(&self, tick: u64) {
        self.watched_until.store(tick, Ordering::Release);
    }

    /// Returns the tick of a watcher's next evaluation on either leg.
    ///
    /// The maximum without a watcher.
    pub(crate) fn watched_until(&self) -> u64 {
        match self.watched_until.load(Ordering::Acquire) {
            u64::MAX => self.pair().map_or(u64::MAX, |other| {
                other.watched_until.load(Ordering::Acquire)
            }),
            tick => tick,
        }
    }

    /// Returns the next deadline of either leg.
    ///
    /// The other leg comes with it if the deadline is that leg's.
    pub(crate) fn next_end(&self) -> (u64, Op, Option<Arc<Self>>) {
        let (deadline, op) = self.end_of_relay();
        if let Some(other) = self.pair().filter(|other| other.ending().is_none()) {
            let (others, others_op) = other.end_of_relay();
            if others < deadline {
                return (others, others_op, Some(other));
            }
        }
        (deadline, op, None)
    }
}

/// A watcher; its drop hands the deadlines back to the halves.
pub(crate) struct WatchGuard<'a>(&'a ConnState);

impl<'a> WatchGuard<'a> {
    pub(crate) const fn conn(&self) -> &'a ConnState {
        self.0
    }
}

impl Drop for WatchGuard<'_> {
    fn drop(&mut self) {
        let conn = self.0;
        conn.watched_until.store(u64::MAX, Ordering::Release);
        // Waiting halves arm their timers.
        if conn.ending().is_none() {
            conn.wake();
        }
        if let Some(other) = conn.pair().filter(|other| other.ending().is_none()) {
            other.wake();
        }
    }
}
