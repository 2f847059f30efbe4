//! The onion service as a listener.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc;
use transport_core::{Backend, ConnInfo, Connection, Listener, PeerAddr, Pending, TransportError};

use super::arrival::{Arrival, ArrivalRequest};
use super::circuit;
use super::stream::ArtiIo;
use crate::error;

/// Accepts the circuits and streams of the onion service's clients.
///
/// A client's circuit is one pending connection, and each later stream on it is another. They have
/// the same peer address, [`PeerAddr::Circuit`].
pub struct ArtiListener {
    arrivals: mpsc::Receiver<Arrival>,
}

impl ArtiListener {
    pub(crate) const fn new(arrivals: mpsc::Receiver<Arrival>) -> Self {
        Self { arrivals }
    }
}

impl fmt::Debug for ArtiListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtiListener").finish_non_exhaustive()
    }
}

impl Listener for ArtiListener {
    type Pending = ArtiPending;

    fn backend(&self) -> Backend {
        Backend::Arti
    }

    /// Waits for the next circuit or stream; indefinitely once Tor has ended. Never fails.
    ///
    /// # Cancel safety
    /// Cancel safe: no request is lost.
    async fn accept(&mut self) -> Result<ArtiPending, TransportError> {
        match self.arrivals.recv().await {
            Some(arrival) => Ok(ArtiPending(arrival)),
            None => pending().await,
        }
    }
}

/// A client's request for a circuit, or for a further stream.
///
/// A client that is refused a circuit (this value dropped) receives no answer, as with every onion
/// service.
pub struct ArtiPending(Arrival);

impl fmt::Debug for ArtiPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtiPending").finish_non_exhaustive()
    }
}

impl Pending for ArtiPending {
    type Io = ArtiIo;

    const HANDSHAKE: bool = true;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Circuit(self.0.circuit.number)
    }

    /// Builds the circuit, if it is new, and accepts its stream.
    ///
    /// Only streams to ports in `arti.onion_service.ports` are accepted.
    ///
    /// # Errors
    /// [`TransportError::Arti`] if the circuit fails or Tor ends.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the client.
    async fn establish(self) -> Result<Connection<ArtiIo>, TransportError> {
        let Arrival { request, circuit } = self.0;
        let info = ConnInfo::new(Backend::Arti, Some(PeerAddr::Circuit(circuit.number)));
        let instance = Arc::clone(&circuit.instance);
        let established = match request {
            ArrivalRequest::Circuit(request) => {
                instance.run(circuit::open(*request, circuit)).await
            }
            ArrivalRequest::Stream(request, kept) => {
                let accepted = circuit::accept(*request, kept, circuit);
                instance.run(accepted).await
            }
        };
        let io = established
            .unwrap_or_else(|| Err(error::arti("Tor ended before the connection was accepted")))?;
        Ok(Connection::new(io, info))
    }
}
