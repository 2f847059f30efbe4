//! The traits of a backend, on raw streams: they enforce no limit.

use std::future::Future;
use std::time::Duration;

use crate::{Backend, Connection, Io, PeerAddr, Reason, Target, TransportError};

/// Opens connections.
pub trait Dialer: Send + Sync + 'static {
    /// The raw stream of this backend.
    type Io: Io;

    /// Whether logs and error texts must not name the target.
    const PRIVATE: bool = false;

    /// Returns the kind of transport; the label of its metrics.
    fn backend(&self) -> Backend;

    /// Resolves, connects and runs the handshake.
    ///
    /// # Errors
    /// [`TransportError::Resolve`], [`TransportError::Connect`], or the backend's own failure.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the attempt and closes its sockets.
    fn dial(
        &self,
        to: &Target,
    ) -> impl Future<Output = Result<Connection<Self::Io>, TransportError>> + Send;
}

/// Yields connections before their handshake.
pub trait Listener: Send + 'static {
    /// An accepted connection before its handshake.
    type Pending: Pending;

    /// Returns the kind of transport; the label of its metrics.
    fn backend(&self) -> Backend;

    /// Waits for the next peer.
    ///
    /// It runs no handshake and never waits for a byte of a peer.
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

    /// Whether [`establish`](Self::establish) may wait for the peer.
    ///
    /// If it never does, no task is spawned for it.
    const HANDSHAKE: bool = true;

    /// Returns the address of the peer.
    fn peer(&self) -> PeerAddr;

    /// Returns the reason if the backend itself refuses this peer.
    ///
    /// It is asked before admission. The refusal is counted and logged like any other.
    fn refused(&self) -> Option<Reason> {
        None
    }

    /// Returns the deadline of [`identify`](Self::identify), if `peer` is a hop.
    ///
    /// A hop is a balancer, which announces the peer; `None` if `peer` is the peer itself. A guard asks
    /// before and after `identify`. If `peer` is still a hop then, no limit of single peers applies.
    fn hop_timeout(&self) -> Option<Duration> {
        None
    }

    /// Learns the address of the peer behind a hop.
    ///
    /// [`peer`](Self::peer) then returns it.
    /// It reads no byte that follows the hop's header.
    ///
    /// # Errors
    /// [`TransportError::Proxy`] for an invalid header. If the hop ends the connection before its
    /// first byte, [`TransportError::Closed`], or [`TransportError::Io`] with a reset.
    ///
    /// # Cancel safety
    /// Not cancel-safe: drop the pending connection with the future, which refuses the peer.
    fn identify(&mut self) -> impl Future<Output = Result<(), TransportError>> + Send {
        async { Ok(()) }
    }

    /// Runs the handshake.
    ///
    /// # Errors
    /// The backend's handshake failure. If the peer ends the connection before its first byte,
    /// [`TransportError::Closed`], or [`TransportError::Io`] with a reset: no handshake failed.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the peer.
    fn establish(self)
        -> impl Future<Output = Result<Connection<Self::Io>, TransportError>> + Send;
}
