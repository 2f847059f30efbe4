//! The place of a transport's listeners: one for each accept loop.
//!
//! A guard returns a borrowed listener.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use transport_core::TransportError;

use crate::backend::AnyListener;

/// The place of a transport's listeners.
#[derive(Debug, Default)]
pub(crate) enum ListenerSlot {
    /// Nothing is bound yet.
    #[default]
    Unbound,
    /// At least one listener is open.
    Bound(BoundListeners),
    /// Every listener is closed.
    Closed,
}

/// The open listeners of a transport.
#[derive(Debug)]
pub(crate) struct BoundListeners {
    /// Listeners with which no task accepts.
    #[allow(clippy::vec_box)] // A borrow takes the box out and returns it.
    idle: Vec<Box<AnyListener>>,
    /// Listeners with which a task accepts.
    in_use: usize,
    /// Accept loops for which the backend has no listener.
    without: usize,
    /// Whether a listener that is put back closes.
    is_closing: bool,
}

impl ListenerSlot {
    /// Stores the listeners of this many accept loops.
    pub(crate) fn bound(listeners: Vec<AnyListener>, loops: usize) -> Self {
        let without = loops.saturating_sub(listeners.len());
        // The first loop takes the first listener.
        let idle = listeners.into_iter().rev().map(Box::new).collect();
        Self::Bound(BoundListeners {
            idle,
            in_use: 0,
            without,
            is_closing: false,
        })
    }

    /// Returns whether a task accepts.
    pub(crate) const fn is_in_use(&self) -> bool {
        matches!(self, Self::Bound(bound) if bound.in_use != 0)
    }

    /// Closes idle listeners now, and the others when they are put back.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Bound(bound) if bound.in_use != 0 => {
                bound.is_closing = true;
                bound.idle.clear();
            }
            slot => *slot = Self::Closed,
        }
    }

    /// Takes a listener back, unless it is closed.
    fn put_back(&mut self, listener: Option<Box<AnyListener>>) {
        if let Self::Bound(bound) = self {
            bound.in_use -= 1;
            bound.idle.extend(listener.filter(|_| !bound.is_closing));
            if bound.idle.is_empty() && bound.in_use == 0 {
                *self = Self::Closed;
            }
        }
    }
}

/// Locks the slot; no code panics while it holds the lock.
pub(crate) fn lock(slot: &Mutex<ListenerSlot>) -> MutexGuard<'_, ListenerSlot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of an accept loop in a transport.
pub(crate) enum AcceptLoop<'a> {
    /// A listener to accept with.
    Listener(ReturnOnDrop<'a>),
    /// The loop has none: another one accepts for it.
    Without,
    /// Accepting has stopped.
    Closed,
}

/// Takes a listener for accepting.
pub(crate) fn borrow<'a>(
    slot: &'a Mutex<ListenerSlot>,
    stop: &CancellationToken,
    released: &'a Notify,
) -> Result<AcceptLoop<'a>, TransportError> {
    let mut place = lock(slot);
    let what = match &mut *place {
        ListenerSlot::Bound(bound) => {
            if let Some(listener) = bound.idle.pop() {
                bound.in_use += 1;
                return Ok(AcceptLoop::Listener(ReturnOnDrop {
                    slot,
                    released,
                    listener: Some(listener),
                    is_taken_over: false,
                }));
            }
            if stop.is_cancelled() {
                return Ok(AcceptLoop::Closed);
            }
            if bound.without != 0 {
                bound.without -= 1;
                return Ok(AcceptLoop::Without);
            }
            "every accept loop is in use by other serve() and accept() calls: allow more with \
             TransportBuilder::accept_loops"
        }
        ListenerSlot::Closed => return Ok(AcceptLoop::Closed),
        ListenerSlot::Unbound if stop.is_cancelled() => return Ok(AcceptLoop::Closed),
        ListenerSlot::Unbound => "the transport does not listen: call listen() first",
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

/// Counts a listener that was taken over as closed.
pub(crate) fn close(slot: &Mutex<ListenerSlot>, released: &Notify) {
    lock(slot).put_back(None);
    released.notify_waiters();
}

impl Drop for ReturnOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_taken_over {
            return;
        }
        lock(self.slot).put_back(self.listener.take());
        self.released.notify_waiters();
    }
}
