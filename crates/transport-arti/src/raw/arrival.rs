//! A client's request to the onion service, queued for the listener.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tor_hsservice::{RendRequest, StreamRequest};
use transport_core::Observer;

use crate::client::TorInstance;

/// The number of the next circuit, unique in the process.
static NEXT_CIRCUIT: AtomicU64 = AtomicU64::new(1);

/// A client's circuit: its number and the state that its streams share.
#[derive(Clone)]
pub(crate) struct RendezvousCircuit {
    pub(super) number: u64,
    pub(super) instance: Arc<TorInstance>,
    pub(super) ports: Arc<[u16]>,
    pub(super) backlog: mpsc::Sender<Arrival>,
    pub(super) observer: Arc<dyn Observer>,
}

/// A request for a circuit, or for a further stream on one.
pub(crate) struct Arrival {
    pub(super) request: ArrivalRequest,
    pub(super) circuit: RendezvousCircuit,
}

/// The kind of a request.
pub(super) enum ArrivalRequest {
    Circuit(Box<RendRequest>),
    /// The token keeps the circuit open.
    Stream(Box<StreamRequest>, TaskTrackerToken),
}

impl Arrival {
    /// A request for a new circuit, which has not been built.
    pub(crate) fn new(
        request: RendRequest,
        instance: &Arc<TorInstance>,
        ports: &Arc<[u16]>,
        backlog: &mpsc::Sender<Self>,
        observer: &Arc<dyn Observer>,
    ) -> Self {
        Self {
            request: ArrivalRequest::Circuit(Box::new(request)),
            circuit: RendezvousCircuit {
                number: NEXT_CIRCUIT.fetch_add(1, Ordering::Relaxed),
                instance: Arc::clone(instance),
                ports: Arc::clone(ports),
                backlog: backlog.clone(),
                observer: Arc::clone(observer),
            },
        }
    }

    /// A request for a further stream on a circuit.
    pub(super) fn stream(
        request: StreamRequest,
        kept: TaskTrackerToken,
        circuit: &RendezvousCircuit,
    ) -> Self {
        Self {
            request: ArrivalRequest::Stream(Box::new(request), kept),
            circuit: circuit.clone(),
        }
    }
}
