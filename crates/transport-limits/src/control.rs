//! The handle on one guarded connection.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use transport_core::{Direction, TransportError};

use crate::clock::SECOND;
use crate::shared::Shared;

/// Longest correlation id that is kept, in bytes.
const MAX_CORR_ID: usize = 128;

/// A handle on one guarded connection: it cancels, counts and says what is owed. Cheap to clone;
/// it keeps no socket open.
#[derive(Debug, Clone)]
pub struct Control(pub(crate) Arc<Shared>);

impl Control {
    /// Number of the connection, unique in the process; `conn_id` in logs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Ends the connection: both halves return [`TransportError::Cancelled`] from now on, also
    /// in the middle of a transfer.
    pub fn cancel(&self) {
        self.0.end_with(&TransportError::Cancelled);
    }

    /// Whether the connection was ended, by [`cancel`](Self::cancel) or by a deadline.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.end().is_some()
    }

    /// Says that the peer owes `bytes` from now on: they must arrive within `read_timeout`, or
    /// reads end in a timeout. It replaces what was owed before; 0 takes it back.
    pub fn expect_read(&self, bytes: u64) {
        self.0.owe(bytes);
        // A read that waits already has to reckon with it.
        self.0.wake_half(Direction::In);
    }

    /// Whether a read waits for tokens of a rate, or for memory.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.0.parked(Direction::In).is_some()
    }

    /// Bytes read from the peer so far.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.0.total(Direction::In)
    }

    /// Bytes written to the peer so far.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.0.total(Direction::Out)
    }

    /// Ties log events of this connection to the embedder's own id. The first call counts; the
    /// text is cut at 128 bytes.
    pub fn set_corr_id(&self, id: &str) {
        let mut cut = id.len().min(MAX_CORR_ID);
        while !id.is_char_boundary(cut) {
            cut -= 1;
        }
        let _ = self.0.corr_id.set(id[..cut].into());
    }

    /// Waits until the connection is ended, by [`cancel`](Self::cancel), by a deadline or, as
    /// [`TransportError::Closed`], by the drop of its stream. Meanwhile it enforces idle timeout
    /// and lifetime, also where nobody polls the stream.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn ended(&self) -> TransportError {
        let shared = &*self.0;
        let notified = shared.ended.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        loop {
            if let Some(error) = shared.end() {
                return error;
            }
            let now = shared.limiter.now();
            let (deadline, op) = shared.end_of_life();
            if deadline <= now {
                shared.end_with(&TransportError::Timeout { op });
                continue;
            }
            tokio::select! {
                () = &mut notified => {}
                () = tokio::time::sleep_until(shared.limiter.instant(deadline)) => {}
            }
        }
    }

    /// Whether a drain may end the connection now: framed, no partial frame and an empty inbox;
    /// raw, no byte for a second.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let shared = &*self.0;
        if shared.framed.load(Ordering::Relaxed) {
            let partial = shared.partial_frame.load(Ordering::Relaxed);
            return !partial && shared.inbox_frames.load(Ordering::Relaxed) == 0;
        }
        let since = shared
            .limiter
            .now()
            .saturating_sub(shared.activity.load(Ordering::Relaxed));
        since >= SECOND
            && !Direction::ALL
                .iter()
                .any(|half| shared.parked(*half).is_some())
    }

    pub(crate) fn set_framed(&self) {
        self.0.framed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_partial_frame(&self, partial: bool) {
        self.0.partial_frame.store(partial, Ordering::Relaxed);
    }

    /// How long the connection has lived.
    #[must_use]
    pub fn age(&self) -> std::time::Duration {
        crate::clock::duration(self.0.limiter.now().saturating_sub(self.0.born))
    }
}
