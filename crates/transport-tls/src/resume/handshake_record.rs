//! Which session a callback of rustls works for.
//!
//! rustls calls its ticketer and its verifier without naming the session. Both run on the thread
//! that polls the handshake, within that poll; so the poll puts the session's record where they
//! find it, and takes it back afterwards.

use std::cell::Cell;

use super::SessionLifetime;
use crate::dates::Seconds;

/// The record of the session whose handshake is being polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandshakeRecord {
    /// The facts of the ticket that was accepted.
    pub(super) resumed: Option<SessionLifetime>,
    /// The earliest end of the chain that was verified; `MAX` without one.
    pub(super) chain_end: Seconds,
}

impl Default for HandshakeRecord {
    fn default() -> Self {
        Self {
            resumed: None,
            chain_end: Seconds::MAX,
        }
    }
}

impl HandshakeRecord {
    /// The facts of tickets that are made now.
    pub(super) fn facts(self, now: Seconds) -> SessionLifetime {
        self.resumed.unwrap_or(SessionLifetime {
            began: now,
            until: self.chain_end,
        })
    }
}

thread_local! {
    static CURRENT: Cell<Option<HandshakeRecord>> = const { Cell::new(None) };
}

/// Runs a poll of a handshake with the record of its session.
pub(crate) fn with_record<R>(record: &mut HandshakeRecord, poll: impl FnOnce() -> R) -> R {
    /// Takes the record back, also where the poll panics.
    struct RecordGuard<'a> {
        record: &'a mut HandshakeRecord,
        outer: Option<HandshakeRecord>,
    }
    impl Drop for RecordGuard<'_> {
        fn drop(&mut self) {
            if let Some(record) = CURRENT.replace(self.outer) {
                *self.record = record;
            }
        }
    }
    let outer = CURRENT.replace(Some(*record));
    let _taken_back = RecordGuard { record, outer };
    poll()
}

/// The record of the session that is being polled; `None` outside of a poll.
pub(super) fn current() -> Option<HandshakeRecord> {
    CURRENT.get()
}

/// Changes the record of the session that is being polled.
pub(super) fn update(change: impl FnOnce(&mut HandshakeRecord)) {
    if let Some(mut record) = CURRENT.get() {
        change(&mut record);
        CURRENT.set(Some(record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_polls_keep_their_records_apart() {
        let (mut outer, mut inner) = (HandshakeRecord::default(), HandshakeRecord::default());
        with_record(&mut outer, || {
            update(|record| record.chain_end = 1);
            with_record(&mut inner, || update(|record| record.chain_end = 2));
            assert_eq!(current().unwrap().chain_end, 1);
        });
        assert_eq!((outer.chain_end, inner.chain_end), (1, 2));
        assert_eq!(current(), None);
        update(|record| record.chain_end = 3);
        assert_eq!(current(), None);
    }

    #[test]
    fn panicking_poll_leaves_no_record() {
        let mut record = HandshakeRecord::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            with_record(&mut record, || panic!("in the poll"));
        }));
        assert!(panicked.is_err());
        assert_eq!(current(), None);
    }
}
