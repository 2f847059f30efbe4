//! Listening as an onion service: a client's circuit, and each further stream on it, is a pending
//! connection of its own.

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tor_hsservice::{RendRequest, StreamRequest};
use transport_core::{
    Backend, ConnInfo, Connection, Listener, Observer, PeerAddr, Pending, TransportError,
};

use super::circuit::{self, Circuit};
use super::stream::ArtiIo;
use crate::error;
use crate::net::Client;

/// The next circuit's number, unique in the process.
static NEXT_CIRCUIT: AtomicU64 = AtomicU64::new(1);

/// The clients of the onion service.
#[derive(Debug)]
pub struct ArtiListener {
    arrivals: mpsc::Receiver<ArtiPending>,
}

impl ArtiListener {
    pub(crate) const fn new(arrivals: mpsc::Receiver<ArtiPending>) -> Self {
        Self { arrivals }
    }
}

impl Listener for ArtiListener {
    type Pending = ArtiPending;

    fn backend(&self) -> Backend {
        Backend::Arti
    }

    /// Waits for the next circuit or stream; for ever, once Tor has ended.
    async fn accept(&mut self) -> Result<ArtiPending, TransportError> {
        match self.arrivals.recv().await {
            Some(arrived) => Ok(arrived),
            None => pending().await,
        }
    }
}

/// A client that wants to be let in: by a circuit, or by a further stream of a circuit that it has.
pub struct ArtiPending {
    asks: Asks,
    circuit: Circuit,
}

enum Asks {
    Circuit(Box<RendRequest>),
    Stream(Box<StreamRequest>, TaskTrackerToken),
}

impl ArtiPending {
    /// A client asks for a circuit. Nothing has been built for it yet.
    pub(crate) fn circuit(
        request: RendRequest,
        client: &Arc<Client>,
        ports: &Arc<[u16]>,
        backlog: &mpsc::Sender<Self>,
        observer: &Arc<dyn Observer>,
    ) -> Self {
        Self {
            asks: Asks::Circuit(Box::new(request)),
            circuit: Circuit {
                number: NEXT_CIRCUIT.fetch_add(1, Ordering::Relaxed),
                client: Arc::clone(client),
                ports: Arc::clone(ports),
                backlog: backlog.clone(),
                observer: Arc::clone(observer),
            },
        }
    }

    /// A client asks for one more stream, which keeps its circuit from now on.
    pub(super) fn stream(request: StreamRequest, kept: TaskTrackerToken, on: &Circuit) -> Self {
        Self {
            asks: Asks::Stream(Box::new(request), kept),
            circuit: on.clone(),
        }
    }

    /// Tells a client that there is no place for its stream. One that asks for a circuit is told
    /// nothing, as by every onion service.
    pub(super) async fn refuse(self) {
        if let Asks::Stream(request, _) = self.asks {
            circuit::refuse(*request).await;
        }
    }
}

impl fmt::Debug for ArtiPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtiPending").finish_non_exhaustive()
    }
}

impl Pending for ArtiPending {
    type Io = ArtiIo;

    const HANDSHAKE: bool = true;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Circuit(self.circuit.number)
    }

    /// Builds the circuit to where the client waits, and takes its first stream to a port of ours;
    /// of a circuit that there is, accepts the stream.
    async fn establish(self) -> Result<Connection<ArtiIo>, TransportError> {
        let Self { asks, circuit } = self;
        let info = ConnInfo::new(Backend::Arti, Some(PeerAddr::Circuit(circuit.number)));
        let client = Arc::clone(&circuit.client);
        let established = match asks {
            Asks::Circuit(request) => client.run(circuit::open(*request, circuit)).await,
            Asks::Stream(request, kept) => {
                client.run(circuit::accept(*request, kept, circuit)).await
            }
        };
        let io = established.unwrap_or_else(|| Err(error::arti("the client ended")))?;
        Ok(Connection::new(io, info))
    }
}
