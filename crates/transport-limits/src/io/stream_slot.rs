//! The place of an open stream, which both its owner and the end of its connection may empty.

use std::sync::{PoisonError, TryLockError};

use transport_core::Io;

use super::open_stream::Open;
use crate::conn_state::Shared;
use crate::sync::{Mutex, MutexGuard};

/// An open stream, until it is closed.
///
/// Its owner holds the lock for one operation, any other task only to take the stream out: an
/// operation never waits for it longer than that takes.
pub(super) struct Slot<I>(Mutex<Option<Open<I>>>);

/// A stream that can be closed by the end of its connection, whatever its owner does.
pub(crate) trait Close: Send + Sync {
    /// Closes the stream, unless an operation on it is under way or it is closed already.
    fn close(&self, shared: &Shared);
}

impl<I: Io> Slot<I> {
    pub(super) fn new(open: Open<I>) -> Self {
        Self(Mutex::new(Some(open)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Open<I>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the stream out for an operation that outlives one poll.
    pub(super) fn lend<'a>(&'a self, shared: &'a Shared) -> Option<Lent<'a, I>> {
        let open = Some(self.lock().take()?);
        Some(Lent {
            slot: self,
            shared,
            open,
        })
    }
}

impl<I: Io> Close for Slot<I> {
    fn close(&self, shared: &Shared) {
        let open = match self.0.try_lock() {
            Ok(mut open) => open.take(),
            Err(TryLockError::Poisoned(open)) => open.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(open) = open {
            open.close(shared);
        }
    }
}

/// A stream outside of its slot, which it returns to when this is dropped.
pub(super) struct Lent<'a, I: Io> {
    slot: &'a Slot<I>,
    shared: &'a Shared,
    open: Option<Open<I>>,
}

impl<I: Io> Lent<'_, I> {
    pub(super) fn io(&mut self) -> Option<&mut I> {
        self.open.as_mut().map(|open| &mut open.io)
    }
}

impl<I: Io> Drop for Lent<'_, I> {
    fn drop(&mut self) {
        *self.slot.lock() = self.open.take();
        // The connection may have ended meanwhile.
        self.shared.close_ended();
    }
}

/// Waits for the end of a connection.
pub(super) async fn end_of(shared: &Shared) {
    let notified = shared.ended.notified();
    tokio::pin!(notified);
    notified.as_mut().enable();
    while shared.ending().is_none() {
        notified.as_mut().await;
        notified.set(shared.ended.notified());
        notified.as_mut().enable();
    }
}
