//! An in-memory backend.
//!
//! A bounded queue joins dialer and listener, and each connection has a bounded buffer for each
//! direction. The test chooses peer, handshake and buffer size.
mod harness;
mod stream;

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use transport_core::{
    Backend, ConnInfo, Connection, Dialer, Listener, PeerAddr, Pending, Target, TransportError,
};

pub use harness::MemoryHarness;
pub use stream::{MemoryIo, WriteLog};

/// Capacity of the accept queue.
const BACKLOG: usize = 128;
/// Default buffer size for each direction of a connection.
const BUFFER_BYTES: usize = 16 << 10;

/// The course of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Handshake {
    /// Ends at once.
    #[default]
    Instant,
    /// Ends after this duration.
    Takes(Duration),
    /// Never ends.
    Never,
    /// Fails with a TLS error.
    Fails,
    /// The peer closes the connection before the handshake.
    Unbegun,
}

impl Handshake {
    async fn run(self) -> Result<(), TransportError> {
        match self {
            Self::Instant => Ok(()),
            Self::Takes(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Self::Never => pending().await,
            Self::Fails => Err(TransportError::Tls {
                kind: transport_core::TlsErrorKind::Other,
                source: "chosen to fail".into(),
            }),
            Self::Unbegun => Err(TransportError::Closed),
        }
    }
}

/// The accepting side of the in-memory backend.
#[derive(Debug)]
pub struct MemoryListener {
    backend: Backend,
    arrivals: mpsc::Receiver<MemoryPending>,
    writes: Arc<WriteLog>,
}

impl MemoryListener {
    /// Creates a listener that reports this backend, and its dialer.
    #[must_use]
    pub fn bind(backend: Backend) -> (Self, MemoryDialer) {
        let (queue, arrivals) = mpsc::channel(BACKLOG);
        let writes = Arc::<WriteLog>::default();
        let dialer = MemoryDialer {
            backend,
            queue,
            writes: Arc::clone(&writes),
            peer: PeerAddr::Ip(([127, 0, 0, 1], 40_000).into()),
            accept_side: Handshake::Instant,
            dial_side: Handshake::Instant,
            buffer_bytes: BUFFER_BYTES,
        };
        (
            Self {
                backend,
                arrivals,
                writes,
            },
            dialer,
        )
    }

    /// Returns the log of writes to the accepted streams.
    #[must_use]
    pub fn writes(&self) -> Arc<WriteLog> {
        Arc::clone(&self.writes)
    }
}

impl Listener for MemoryListener {
    type Pending = MemoryPending;

    fn backend(&self) -> Backend {
        self.backend
    }

    async fn accept(&mut self) -> Result<MemoryPending, TransportError> {
        match self.arrivals.recv().await {
            Some(arrival) => Ok(arrival),
            // Every dialer was dropped, so no connection can arrive.
            None => pending().await,
        }
    }
}

/// A connection before its handshake.
#[derive(Debug)]
pub struct MemoryPending {
    io: MemoryIo,
    backend: Backend,
    peer: PeerAddr,
    handshake: Handshake,
}

impl Pending for MemoryPending {
    type Io = MemoryIo;

    fn peer(&self) -> PeerAddr {
        self.peer
    }

    async fn establish(self) -> Result<Connection<MemoryIo>, TransportError> {
        self.handshake.run().await?;
        Ok(Connection::new(
            self.io,
            ConnInfo::new(self.backend, Some(self.peer)),
        ))
    }
}

/// The dialing side.
///
/// A clone reaches the same listener and may dial as another peer.
#[derive(Debug, Clone)]
pub struct MemoryDialer {
    backend: Backend,
    queue: mpsc::Sender<MemoryPending>,
    writes: Arc<WriteLog>,
    peer: PeerAddr,
    accept_side: Handshake,
    dial_side: Handshake,
    buffer_bytes: usize,
}

impl MemoryDialer {
    /// Dials as this peer from now on.
    #[must_use]
    pub const fn from_peer(mut self, peer: PeerAddr) -> Self {
        self.peer = peer;
        self
    }

    /// Chooses the listener's side of the handshake.
    #[must_use]
    pub const fn accept_side(mut self, handshake: Handshake) -> Self {
        self.accept_side = handshake;
        self
    }

    /// Chooses the dialer's side of the handshake.
    #[must_use]
    pub const fn dial_side(mut self, handshake: Handshake) -> Self {
        self.dial_side = handshake;
        self
    }

    /// Sets the bytes that each direction buffers before a write blocks.
    #[must_use]
    pub const fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }
}

impl Dialer for MemoryDialer {
    type Io = MemoryIo;

    fn backend(&self) -> Backend {
        self.backend
    }

    async fn dial(&self, to: &Target) -> Result<Connection<MemoryIo>, TransportError> {
        let (ours, theirs) = MemoryIo::pair(self.buffer_bytes, Arc::clone(&self.writes));
        let arrival = MemoryPending {
            io: theirs,
            backend: self.backend,
            peer: self.peer,
            handshake: self.accept_side,
        };
        self.queue
            .send(arrival)
            .await
            .map_err(|_| TransportError::Connect {
                target: to.to_string(),
                source: io::ErrorKind::ConnectionRefused.into(),
            })?;
        self.dial_side.run().await?;
        Ok(Connection::new(ours, ConnInfo::new(self.backend, None)))
    }
}
