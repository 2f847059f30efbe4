//! The slot of an open stream, emptied at its end.
//!
//! The owner or the end of the connection takes the stream out.

use std::sync::{PoisonError, TryLockError};

use transport_core::Io;

use super::open_stream::OpenStream;
use crate::conn_state::{CloseStream, ConnState};
use crate::sync::{Mutex, MutexGuard};

/// An open stream until it is closed.
///
/// The owner holds the lock for one operation. Other tasks hold it only to take the stream out, so
/// an operation never waits for longer than that.
pub(super) struct StreamSlot<I>(Mutex<Option<OpenStream<I>>>);

impl<I: Io> StreamSlot<I> {
    pub(super) fn new(open: OpenStream<I>) -> Self {
        Self(Mutex::new(Some(open)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<OpenStream<I>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the stream out for an operation that outlives one poll.
    pub(super) fn borrow<'a>(&'a self, conn: &'a ConnState) -> Option<BorrowedStream<'a, I>> {
        let open = Some(self.lock().take()?);
        Some(BorrowedStream {
            slot: self,
            conn,
            open,
        })
    }
}

impl<I: Io> CloseStream for StreamSlot<I> {
    fn close(&self, conn: &ConnState) {
        let open = match self.0.try_lock() {
            Ok(mut open) => open.take(),
            Err(TryLockError::Poisoned(open)) => open.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(open) = open {
            open.close(conn);
        }
    }
}

/// A stream outside of its slot; dropping it puts the stream back.
pub(super) struct BorrowedStream<'a, I: Io> {
    slot: &'a StreamSlot<I>,
    conn: &'a ConnState,
    open: Option<OpenStream<I>>,
}

impl<I: Io> BorrowedStream<'_, I> {
    pub(super) fn io(&mut self) -> Option<&mut I> {
        self.open.as_mut().map(|open| &mut open.io)
    }
}

impl<I: Io> Drop for BorrowedStream<'_, I> {
    fn drop(&mut self) {
        *self.slot.lock() = self.open.take();
        // The connection may have ended in the meantime.
        self.conn.close_ended();
    }
}

/// Waits for the end of a connection.
pub(super) async fn end_of(conn: &ConnState) {
    let notified = conn.ended.notified();
    tokio::pin!(notified);
    notified.as_mut().enable();
    while conn.ending().is_none() {
        notified.as_mut().await;
        notified.set(conn.ended.notified());
        notified.as_mut().enable();
    }
}
