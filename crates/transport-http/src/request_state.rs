//! The deadline of request heads on one connection.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::Arc;

use ron_transport::Control;

/// More than any server accepts for a request head.
///
/// The deadline ends with the head.
const HEAD_BYTES: u64 = 1 << 20;

/// No request: the next byte starts a request head.
const IDLE: u8 = 0;
/// Part of a request head has arrived.
const HEAD: u8 = 1;
/// A request is with the service.
const REQUEST: u8 = 2;
/// HTTP/2 or an upgraded protocol: heads are not tracked.
const UNTRACKED: u8 = 3;

/// Tracks whether the client owes the rest of a request head.
///
/// `read_timeout` applies from the first byte of a head to its end, and to each chunk of a body of
/// HTTP/1.1. The guard enforces it, so it is counted and logged like any other read timeout.
#[derive(Debug, Clone)]
pub(crate) struct RequestState {
    control: Control,
    phase: Arc<AtomicU8>,
    has_bytes: Arc<AtomicBool>,
    /// Whether the guard expects bytes of a head or a body.
    owed: Arc<AtomicBool>,
}

impl RequestState {
    pub(crate) fn new(control: Control) -> Self {
        Self {
            control,
            phase: Arc::new(AtomicU8::new(IDLE)),
            has_bytes: Arc::default(),
            owed: Arc::default(),
        }
    }

    pub(crate) const fn control(&self) -> &Control {
        &self.control
    }

    /// Notes bytes from the client.
    pub(crate) fn bytes_arrived(&self) {
        self.has_bytes.store(true, Ordering::Relaxed);
        let _ = self
            .phase
            .compare_exchange(IDLE, HEAD, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Starts the deadline of an incomplete head.
    ///
    /// A head that arrives whole costs no wake-up of its connection.
    pub(crate) fn waits_for_bytes(&self) {
        if self.phase.load(Ordering::Relaxed) == HEAD && !self.owed.load(Ordering::Relaxed) {
            self.owe(HEAD_BYTES);
        }
    }

    /// Returns whether the client has sent a byte on this connection.
    pub(crate) fn has_bytes(&self) -> bool {
        self.has_bytes.load(Ordering::Relaxed)
    }

    /// Notes a complete request head.
    pub(crate) fn head_complete(&self) {
        self.leave(REQUEST);
    }

    /// Notes the end of a response.
    pub(crate) fn response_ended(&self) {
        self.leave(IDLE);
    }

    /// Stops tracking: the connection carries another protocol than HTTP/1.1 from now on.
    pub(crate) fn stop_tracking(&self) {
        self.leave(UNTRACKED);
    }

    /// Applies `read_timeout` to the next bytes of a body, or no longer.
    pub(crate) fn expect_body(&self, expected: bool) {
        if self.phase.load(Ordering::Relaxed) != UNTRACKED {
            self.owe(u64::from(expected));
        }
    }

    fn leave(&self, next: u8) {
        let before = self.phase.load(Ordering::Relaxed);
        if before != UNTRACKED {
            self.phase.store(next, Ordering::Relaxed);
            self.owe(0);
        }
    }

    fn owe(&self, bytes: u64) {
        let owed = self.owed.swap(bytes != 0, Ordering::Relaxed);
        if owed || bytes != 0 {
            self.control.expect_read(bytes);
        }
    }
}
