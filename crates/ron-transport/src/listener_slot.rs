//! The place of a transport's listener.
//!
//! A guard returns a borrowed listener.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use transport_core::TransportError;

use crate::backend::AnyListener;

/// The place of a transport's listener.
#[derive(Debug, Default)]
pub(crate) enum ListenerSlot {
    /// Nothing is bound yet.
    #[default]
    Unbound,
    /// The listener is bound, and no task accepts with it.
    Idle(Box<AnyListener>),
    /// A task accepts with the listener.
    InUse,
    /// The listener is closed.
    Closed,
}

/// Locks the slot; no code panics while it holds the lock.
pub(crate) fn lock(slot: &Mutex<ListenerSlot>) -> MutexGuard<'_, ListenerSlot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the listener for accepting.
///
/// `None` once it is closed or accepting has stopped.
pub(crate) fn borrow<'a>(
    slot: &'a Mutex<ListenerSlot>,
    stop: &CancellationToken,
    released: &'a Notify,
) -> Result<Option<ReturnOnDrop<'a>>, TransportError> {
    let mut place = lock(slot);
    let what = match std::mem::replace(&mut *place, ListenerSlot::InUse) {
        ListenerSlot::Idle(listener) => {
            let listener = Some(listener);
            return Ok(Some(ReturnOnDrop {
                slot,
                released,
                listener,
                is_taken_over: false,
            }));
        }
        ListenerSlot::Closed => {
            *place = ListenerSlot::Closed;
            return Ok(None);
        }
        before if stop.is_cancelled() => {
            *place = before;
            return Ok(None);
        }
        ListenerSlot::Unbound => {
            *place = ListenerSlot::Unbound;
            "the transport does not listen: call listen() first"
        }
        ListenerSlot::InUse => "another serve() or accept() call is accepting",
    };
    Err(TransportError::State { what })
}

/// Returns a borrowed listener to its slot when dropped.
///
/// Does nothing if the listener was taken out.
pub(crate) struct ReturnOnDrop<'a> {
    slot: &'a Mutex<ListenerSlot>,
    released: &'a Notify,
    pub(crate) listener: Option<Box<AnyListener>>,
    is_taken_over: bool,
}

impl ReturnOnDrop<'_> {
    /// Takes the listener out, so that it closes with its new owner.
    pub(crate) fn take(&mut self) -> Option<Box<AnyListener>> {
        self.listener.take()
    }

    /// Takes the listener out, and leaves the slot in use.
    ///
    /// The new owner calls [`close`].
    pub(crate) fn take_over(mut self) -> Option<Box<AnyListener>> {
        self.is_taken_over = true;
        self.listener.take()
    }
}

/// Marks the slot as closed, once its listener is.
pub(crate) fn close(slot: &Mutex<ListenerSlot>, released: &Notify) {
    *lock(slot) = ListenerSlot::Closed;
    released.notify_waiters();
}

impl Drop for ReturnOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_taken_over {
            return;
        }
        *lock(self.slot) = match self.listener.take() {
            Some(listener) => ListenerSlot::Idle(listener),
            None => ListenerSlot::Closed,
        };
        self.released.notify_waiters();
    }
}
