//! The traits of a backend, on raw streams: they enforce no limit.
//!
//! [`contract`](crate::contract) has each rule, and the case of the conformance suite that checks it.

use std::future::Future;
use std::time::Duration;

use crate::{Backend, Connection, Io, PeerAddr, Reason, Target, TransportError};

/// Opens connections.
///
/// Dials run at the same time. A guard adds the deadline of the whole dial, so a dialer has none.
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
    /// Dropping the future abandons the attempt and closes its sockets, so that a listener that has
    /// accepted one reads its end.
    fn dial(
        &self,
        to: &Target,
    ) -> impl Future<Output = Result<Connection<Self::Io>, TransportError>> + Send;
}

/// Yields connections before their handshake.
///
/// Dropping it refuses further clients; connections that it yielded continue.
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
    /// [`TransportError::Io`]; the listener stays usable after an error. A guard accepts again at once
    /// if the kind of the error concerns one connection, such as
    /// [`ConnectionAborted`](std::io::ErrorKind::ConnectionAborted). Such an error must have consumed
    /// a connection, otherwise the accept loop uses a whole core, beside the other tasks. After any other error a guard waits, 10 ms at
    /// first and at most 500 ms. A listener that can accept no more returns an error from each call,
    /// or never resolves.
    ///
    /// # Cancel safety
    /// Cancel-safe: no accepted connection is lost when the future is dropped. The next call yields
    /// it.
    fn accept(&mut self) -> impl Future<Output = Result<Self::Pending, TransportError>> + Send;

    /// Returns another listener on the same socket, for the current runtime.
    ///
    /// A service accepts on several threads with it. `None` if the backend has no such listener, by
    /// default.
    ///
    /// # Errors
    /// [`TransportError::Io`] if the system refuses a descriptor.
    ///
    /// # Panics
    /// Outside of the runtime that the backend needs.
    fn share(&self) -> Result<Option<Self>, TransportError>
    where
        Self: Sized,
    {
        Ok(None)
    }
}

/// An accepted connection before its handshake. Dropping it refuses the peer.
///
/// The peer of a refused connection reads no byte: its dial fails, or its stream ends.
pub trait Pending: Send + Sized + 'static {
    /// The raw stream of this backend.
    type Io: Io;

    /// Whether [`establish`](Self::establish) may wait for the peer.
    ///
    /// If it never does, its first poll is ready, and no task is spawned for it. A connection with a
    /// [`hop_timeout`](Self::hop_timeout) waits for its hop all the same.
    const HANDSHAKE: bool = true;

    /// Returns the address of the peer, which [`ConnInfo::peer`](crate::ConnInfo::peer) repeats.
    ///
    /// The limits per peer count by it, so all connections of a peer have the same address but for
    /// the port.
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
    /// It may read and write the stream and wait for the peer. It has no deadline: a guard drops the
    /// future at `handshake_timeout`. After a failure, the backend closes its stream within 100 ms.
    ///
    /// # Errors
    /// The backend's handshake failure. If the peer ends the connection before its first byte,
    /// [`TransportError::Closed`], or [`TransportError::Io`] with a reset: no handshake failed.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the peer, at any point of the handshake.
    fn establish(self)
        -> impl Future<Output = Result<Connection<Self::Io>, TransportError>> + Send;
}
