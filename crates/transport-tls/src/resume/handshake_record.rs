//! A record per handshake that the callbacks of rustls can reach.
//!
//! rustls calls its ticketer and its verifier without naming the session. Both run within the poll
//! of the handshake, on the same thread. So the poll keeps the record of its session in a
//! thread-local variable while it runs.

use std::cell::Cell;

use super::lifetime::SessionLifetime;
use crate::dates::Seconds;

/// Facts of a handshake that limit the session's tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandshakeRecord {
    /// The lifetime in the accepted ticket; `None` in a full handshake.
    pub(super) resumed: Option<SessionLifetime>,
    /// The earliest `notAfter` of the verified chain; `MAX` without one.
    pub(super) chain_not_after: Seconds,
}

impl Default for HandshakeRecord {
    fn default() -> Self {
        Self {
            resumed: None,
            chain_not_after: Seconds::MAX,
        }
    }
}

impl HandshakeRecord {
    /// Returns the lifetime of tickets that are issued now.
    pub(super) fn lifetime(self, now: Seconds) -> SessionLifetime {
        self.resumed.unwrap_or(SessionLifetime {
            full_handshake_at: now,
            chain_not_after: self.chain_not_after,
        })
    }
}

thread_local! {
    static CURRENT: Cell<Option<HandshakeRecord>> = const { Cell::new(None) };
}

/// Runs a poll of a handshake with its record in place.
pub(crate) fn with_record<R>(record: &mut HandshakeRecord, poll: impl FnOnce() -> R) -> R {
    /// Takes the record back, even if the poll panics.
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
    let _guard = RecordGuard { record, outer };
    poll()
}

/// Returns the record of the current poll; `None` outside of a poll.
pub(super) fn current() -> Option<HandshakeRecord> {
    CURRENT.get()
}

/// Changes the record of the current poll.
pub(super) fn update(change: impl FnOnce(&mut HandshakeRecord)) {
    if let Some(mut record) = CURRENT.get() {
        change(&mut record);
        CURRENT.set(Some(record));
    }
}

/// Records a full handshake and the earliest `notAfter` of the verified chain.
pub(crate) fn record_full_handshake(chain_not_after: Seconds) {
    update(|record| {
        // Tickets that the client offered were not accepted.
        record.resumed = None;
        record.chain_not_after = chain_not_after;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_polls_keep_their_records_apart() {
        let (mut outer, mut inner) = (HandshakeRecord::default(), HandshakeRecord::default());
        with_record(&mut outer, || {
            update(|record| record.chain_not_after = 1);
            with_record(&mut inner, || update(|record| record.chain_not_after = 2));
            assert_eq!(current().unwrap().chain_not_after, 1);
        });
        assert_eq!((outer.chain_not_after, inner.chain_not_after), (1, 2));
        assert_eq!(current(), None);
        update(|record| record.chain_not_after = 3);
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
