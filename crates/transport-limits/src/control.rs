//! The handle on one guarded connection.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use transport_core::{ConnInfo, Direction, TransportError};

use crate::clock::{duration, ticks};
use crate::conn_state::ConnState;
use crate::ending::Ending;
use crate::io::grace::turn;

/// Longest correlation id that is kept, in bytes.
const MAX_CORR_ID: usize = 128;

/// A handle on one guarded connection: it cancels, counts and says what is owed. Cheap to clone;
/// it keeps no socket open.
#[derive(Debug, Clone)]
pub struct Control(pub(crate) Arc<ConnState>);

impl Control {
    /// Number of the connection, unique in the process; `conn_id` in logs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Returns the description of the connection: peer, backend, identity, protocol.
    #[must_use]
    pub fn info(&self) -> &ConnInfo {
        self.0.info()
    }

    /// Aborts the connection: both halves return [`TransportError::Cancelled`] from now on, also
    /// in the middle of a transfer. The socket is closed and its place is free, also where its
    /// owner keeps the stream.
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
    /// [`TransportError::Closed`], by the drop of its stream. Meanwhile it enforces idle timeout,
    /// half-close timeout and lifetime, also where no task polls the stream, and closes the stream
    /// at its end.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn ended(&self) -> TransportError {
        let conn = &*self.0;
        let notified = conn.ended.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        // The reactor has had its turn since this deadline passed.
        let mut judged = None;
        loop {
            if let Some(error) = conn.end() {
                // An operation was under way when the connection ended.
                conn.close_ended();
                return error;
            }
            let now = conn.limiter.now();
            let (deadline, op) = conn.end_of_relay();
            if deadline > now {
                tokio::select! {
                    () = &mut notified => {
                        notified.set(conn.ended.notified());
                        notified.as_mut().enable();
                    }
                    () = tokio::time::sleep_until(conn.limiter.instant(deadline)) => {}
                }
            } else if judged == Some(deadline) {
                conn.expire(op);
            } else {
                judged = Some(deadline);
                tokio::time::sleep(turn(duration(now - deadline))).await;
            }
        }
    }

    /// Returns whether no answer is owed and nothing is in flight, so that a drain may end the
    /// connection.
    ///
    /// It is not idle while a [`busy`](Self::busy) guard is alive, while a direction waits for
    /// tokens or for the peer, and once one direction has ended. Framed: nor with a partial frame
    /// or a frame in the inbox, nor before every frame of the asking side is answered. Raw: nor
    /// before the answering side had the last byte, at least 1 s ago (longer, if it has paused for
    /// longer before). A connection without any byte is idle after 1 s. The two legs of a relay
    /// are idle together.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.is_idle()
    }

    /// Ends the connection in order if it [`is_idle`](Self::is_idle); returns whether this call
    /// ended it.
    pub fn close_if_idle(&self) -> bool {
        self.0.is_idle() && self.0.end_as(Ending::Drained)
    }

    /// Returns whether [`close_if_idle`](Self::close_if_idle) has ended the connection, or the other
    /// leg of its relay.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.0.ending() == Some(Ending::Drained)
    }

    /// Returns whether both directions have ended in order, though the stream is still held.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.activity.is_over()
    }

    /// Returns whether the peer opened the connection.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.0.accepted
    }

    /// Announces work for this connection that no byte shows, until the guard is dropped: it is
    /// not idle, and its idle clock stands still.
    ///
    /// ```
    /// # async fn example(control: &transport_limits::Control) {
    /// let busy = control.busy();
    /// // Compute an answer that takes longer than the idle timeout.
    /// drop(busy);
    /// # }
    /// ```
    #[must_use = "the connection is busy only while the guard is alive"]
    pub fn busy(&self) -> Busy {
        self.0.activity.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Sets the idle timeout of this connection alone; zero turns it off.
    pub fn set_idle_timeout(&self, timeout: Duration) {
        self.0.set_idle(ticks(timeout));
    }

    /// Resolves once the transport of this connection drains: a handler may then finish what is
    /// under way and close.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn draining(&self) {
        self.0.limiter.draining().await;
    }

    /// Aborts the connection if the guard is dropped by a panic.
    pub fn abort_on_panic(&self) -> AbortOnPanic {
        AbortOnPanic(self.clone())
    }

    pub(crate) fn set_framed(&self) {
        self.0.activity.framed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_partial_frame(&self, partial: bool) {
        let activity = &self.0.activity;
        activity.partial_frame.store(partial, Ordering::Relaxed);
    }

    /// How long the connection has lived.
    #[must_use]
    pub fn age(&self) -> Duration {
        duration(self.0.limiter.now().saturating_sub(self.0.born))
    }
}

/// Keeps a connection busy while it is alive; see [`Control::busy`].
#[derive(Debug)]
pub struct Busy(Control);

impl Drop for Busy {
    fn drop(&mut self) {
        let conn = &self.0 .0;
        conn.activity.touch(conn.limiter.now());
        conn.activity.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Aborts a connection when a panic unwinds; see [`Control::abort_on_panic`].
#[derive(Debug)]
pub struct AbortOnPanic(Control);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0 .0.end_as(Ending::Panicked);
        }
    }
}
