//! The traits a backend implements, on raw types: no limit is enforced here.

use std::future::Future;

use crate::{Backend, Connection, Io, PeerAddr, Reason, Target, TransportError};

/// Opens connections.
pub trait Dialer: Send + Sync + 'static {
    /// The raw stream of this backend.
    type Io: Io;

    /// Whether nobody may learn from a log what is dialed: the target is then in no event, and the
    /// texts of errors do not name it.
    const PRIVATE: bool = false;

    /// Which transport this is; the label of its metrics.
    fn backend(&self) -> Backend;

    /// Resolves, connects and shakes hands.
    ///
    /// # Errors
    /// [`TransportError::Resolve`], [`TransportError::Connect`], or the backend's own failure.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the attempt and closes what was opened.
    fn dial(
        &self,
        to: &Target,
    ) -> impl Future<Output = Result<Connection<Self::Io>, TransportError>> + Send;
}

/// Yields connections that have not shaken hands yet.
pub trait Listener: Send + 'static {
    /// An accepted, not yet established connection.
    type Pending: Pending;

    /// Which transport this is; the label of its metrics.
    fn backend(&self) -> Backend;

    /// Waits for the next peer. Never shakes hands and never waits for a byte of one peer.
    ///
    /// # Errors
    /// [`TransportError::Io`]; the listener stays usable after an error.
    ///
    /// # Cancel safety
    /// Cancel-safe: no accepted connection is lost when the future is dropped.
    fn accept(&mut self) -> impl Future<Output = Result<Self::Pending, TransportError>> + Send;
}

/// An accepted connection before its handshake. Dropping it refuses the peer.
pub trait Pending: Send + Sized + 'static {
    /// The raw stream of this backend.
    type Io: Io;

    /// Whether [`establish`](Self::establish) may have to wait for the peer. Where it never does,
    /// no task is spawned for it.
    const HANDSHAKE: bool = true;

    /// Who is there, as far as it is known before a handshake.
    fn peer(&self) -> PeerAddr;

    /// Why the backend itself refuses this peer, before admission is asked; it is counted and
    /// logged as any refusal.
    fn refused(&self) -> Option<Reason> {
        None
    }

    /// Runs the handshake.
    ///
    /// # Errors
    /// The backend's handshake failure. An end before the peer's first byte is none:
    /// [`TransportError::Closed`], or [`TransportError::Io`] with a reset.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the peer.
    fn establish(self)
        -> impl Future<Output = Result<Connection<Self::Io>, TransportError>> + Send;
}
