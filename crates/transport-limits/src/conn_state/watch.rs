//! Watchers, which enforce the deadlines of a connection in place of its halves.

use std::sync::atomic::Ordering;

use super::ConnState;

impl ConnState {
    /// Notes a task that enforces the deadlines of the connection until the guard is dropped.
    ///
    /// Meanwhile the halves arm no timer for these deadlines: a connection needs one timer.
    pub(crate) fn watch(&self) -> WatchGuard<'_> {
        self.watchers.fetch_add(1, Ordering::AcqRel);
        WatchGuard(self)
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) != 0
    }
}

/// A watcher; its drop hands the deadlines back to the halves.
pub(crate) struct WatchGuard<'a>(&'a ConnState);

impl Drop for WatchGuard<'_> {
    fn drop(&mut self) {
        let conn = self.0;
        let is_last = conn.watchers.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last && conn.ending().is_none() {
            // Waiting halves arm their timers.
            conn.wake();
        }
    }
}
