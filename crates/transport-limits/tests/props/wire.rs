//! A guarded in-memory connection for the properties of frames.

use std::sync::Arc;

use tokio::io::{duplex, DuplexStream};
use transport_core::{
    Backend, ConnInfo, Connection, Listener, NoObserver, PeerAddr, Pending, TransportError,
};
use transport_limits::{Guard, GuardedIo, Limiter, Limits};

/// Yields the one stream it was given.
struct Once(Option<DuplexStream>);

struct Plugged(DuplexStream);

impl Listener for Once {
    type Pending = Plugged;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<Plugged, TransportError> {
        self.0.take().map(Plugged).ok_or(TransportError::Closed)
    }
}

impl Pending for Plugged {
    type Io = DuplexStream;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Uid(1)
    }

    async fn establish(self) -> Result<Connection<DuplexStream>, TransportError> {
        Ok(Connection::new(self.0, ConnInfo::new(Backend::Tcp, None)))
    }
}

/// Our guarded end and the peer's, over a pipe of this many bytes.
pub(crate) async fn guarded(
    limits: &Limits,
    pipe: usize,
) -> (GuardedIo<DuplexStream>, DuplexStream) {
    let limiter = Limiter::new(limits, Arc::new(NoObserver)).unwrap();
    let (peer, ours) = duplex(pipe);
    let mut guard = Guard::new(Once(Some(ours)), &limiter);
    let connection = guard.accept().await.establish().await.unwrap();
    (connection.io, peer)
}

/// Runs a property's future; the clock is paused, so no deadline slows it down.
pub(crate) fn run<T>(future: impl std::future::Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}
