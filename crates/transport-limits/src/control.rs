//! The handle of one guarded connection.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use transport_core::{ConnInfo, Direction, TransportError};

use crate::clock::{duration, ticks};
use crate::conn_state::ConnState;
use crate::end_watcher::EndWatcher;
use crate::ending::Ending;

/// Longest kept correlation id in bytes.
const MAX_CORR_ID: usize = 128;

/// A handle of one guarded connection, to cancel and observe it.
///
/// Cheap to clone; it keeps no socket open.
#[derive(Debug, Clone)]
pub struct Control(pub(crate) Arc<ConnState>);

impl Control {
    /// Returns the connection's number, unique in the process; `conn_id` in logs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// Returns the name of the transport, if it has one.
    #[must_use]
    pub fn transport(&self) -> Option<&str> {
        self.0.core.events().transport()
    }

    /// Returns the description of the connection: peer, backend, identity, protocol.
    #[must_use]
    pub fn info(&self) -> &ConnInfo {
        self.0.info()
    }

    /// Returns the description of the connection, shared with it.
    #[must_use]
    pub fn shared_info(&self) -> Arc<ConnInfo> {
        Arc::clone(self.0.info())
    }

    /// Aborts the connection, also in the middle of a transfer.
    ///
    /// Both halves return [`TransportError::Cancelled`] from now on. The socket is closed and its
    /// place is freed, even if the owner keeps the stream.
    pub fn cancel(&self) {
        self.0.end_with(&TransportError::Cancelled);
    }

    /// Returns whether the connection was ended, by [`cancel`](Self::cancel) or by a deadline.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.end().is_some()
    }

    /// Sets the number of bytes that the peer must send within `read_timeout`.
    ///
    /// Otherwise reads end in a timeout. The call replaces the number set before; 0 clears it.
    pub fn expect_read(&self, bytes: u64) {
        self.0.owe(bytes);
        // A waiting read re-evaluates its deadline.
        self.0.wake_half(Direction::In);
    }

    /// Returns whether a read waits for tokens or for memory.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.0.parked(Direction::In).is_some()
    }

    /// Returns the bytes read from the peer so far.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.0.total(Direction::In)
    }

    /// Returns the bytes written to the peer so far.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.0.total(Direction::Out)
    }

    /// Adds the embedder's own id to log events of this connection.
    ///
    /// Later calls have no effect. The id is truncated to 128 bytes.
    pub fn set_corr_id(&self, id: &str) {
        let mut cut = id.len().min(MAX_CORR_ID);
        while !id.is_char_boundary(cut) {
            cut -= 1;
        }
        self.0.set_corr_id(&id[..cut]);
    }

    /// Waits until the connection is ended.
    ///
    /// [`cancel`](Self::cancel), a deadline and the drop of the stream
    /// ([`TransportError::Closed`]) end it. While it waits, this call enforces idle timeout,
    /// half-close timeout and lifetime, even if no task polls the stream, and closes the stream at
    /// the end.
    /// It does so for both legs of a relay.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn ended(&self) -> TransportError {
        EndWatcher::new(&self.0).await
    }

    /// Returns whether a drain may end the connection.
    ///
    /// The connection is idle when no answer is owed and nothing is in flight. It is not idle while
    /// a [`busy`](Self::busy) guard is alive, while a direction waits for tokens or for the peer,
    /// or after the asking side has ended. The peer is the asking side of an accepted connection.
    ///
    /// - A framed connection is idle without a partial frame, with an empty inbox, and with an
    ///   answer to every frame of the asking side.
    /// - A raw connection is idle 1 s after the answering side sent the last byte, or longer if it
    ///   has paused for longer before.
    /// - A connection without any byte is idle after 1 s.
    ///
    /// The two legs of a relay are idle together. A request that arrives before the response to the
    /// one before has ended (pipelining) is not seen on a raw connection: a handler that takes longer
    /// than 1 s for it needs a `busy` guard.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.is_idle()
    }

    /// Returns the moment of the last activity of an idle connection.
    ///
    /// `None` unless [`is_idle`](Self::is_idle). Two equal results mean that it was idle in between.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        let conn = &self.0;
        conn.idle_since().map(|tick| conn.core.instant(tick))
    }

    /// Ends an idle connection in order; returns whether it did.
    pub fn close_if_idle(&self) -> bool {
        self.0.is_idle() && self.0.end_as(Ending::Drained)
    }

    /// Returns whether a drain has ended the connection.
    ///
    /// That is a call of [`close_if_idle`](Self::close_if_idle) on it, or on the other leg of its
    /// relay.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.0.ending() == Some(Ending::Drained)
    }

    /// Returns whether both directions have ended in order.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.activity.is_over()
    }

    /// Returns whether the peer opened the connection.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.0.accepted
    }

    /// Announces work for this connection that moves no bytes.
    ///
    /// Until the guard is dropped, the connection is not idle and its idle clock stands still.
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

    /// Sets the idle timeout of this connection only; zero turns it off.
    pub fn set_idle_timeout(&self, timeout: Duration) {
        self.0.set_idle(ticks(timeout));
    }

    /// Resolves once the transport of this connection drains.
    ///
    /// A handler may then finish its current work and close.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn draining(&self) {
        self.0.core.draining().await;
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

    /// Returns the time since the connection was established.
    #[must_use]
    pub fn age(&self) -> Duration {
        duration(self.0.core.now().saturating_sub(self.0.born))
    }
}

/// Keeps a connection busy while it is alive; see [`Control::busy`].
#[derive(Debug)]
pub struct Busy(Control);

impl Drop for Busy {
    fn drop(&mut self) {
        let conn = &self.0 .0;
        conn.activity.touch(conn.core.now());
        conn.activity.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Aborts a connection when a panic unwinds; see [`Control::abort_on_panic`].
#[derive(Debug)]
pub struct AbortOnPanic(Control);

impl AbortOnPanic {
    /// Returns the handle of the connection.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.0
    }
}

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0 .0.end_as(Ending::Panicked);
        }
    }
}
