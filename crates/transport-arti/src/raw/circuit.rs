//! The circuit of one client of the onion service: which streams on it are taken, and how long it
//! is kept.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use tokio::sync::{mpsc, Semaphore};
use tokio::time::sleep;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tokio_util::task::TaskTracker;
use tor_cell::relaycell::msg::{Connected, End, EndReason};
use tor_hsservice::{RendRequest, StreamRequest};
use tor_proto::stream::IncomingStreamRequest;
use transport_core::{Backend, Observer, Reason, TransportError};

use super::listener::ArtiPending;
use super::stream::ArtiIo;
use crate::error;
use crate::net::Client;

/// Refused streams after which a circuit is cut: the client is looking for open ports.
const MAX_REFUSED: usize = 8;
/// How long a circuit without a stream is kept: a client that opens one after the other needs no
/// new circuit for each.
const LINGER: Duration = Duration::from_secs(10);

/// Circuits that may be kept without a stream at a time; others end at once.
static LINGERING: Semaphore = Semaphore::const_new(256);

/// A circuit's number and what its streams need.
#[derive(Clone)]
pub(super) struct Circuit {
    pub(super) number: u64,
    pub(super) client: Arc<Client>,
    pub(super) ports: Arc<[u16]>,
    pub(super) backlog: mpsc::Sender<ArtiPending>,
    pub(super) observer: Arc<dyn Observer>,
}

/// What to do with a stream that a client asks for.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Take,
    /// There is nothing at that port.
    Refuse,
    /// No client of an onion service asks for this.
    Cut,
}

fn verdict(request: &IncomingStreamRequest, ports: &[u16]) -> Verdict {
    match request {
        IncomingStreamRequest::Begin(begin) if ports.contains(&begin.port()) => Verdict::Take,
        IncomingStreamRequest::Begin(_) => Verdict::Refuse,
        _ => Verdict::Cut,
    }
}

/// Builds the circuit, and takes the first stream to a port of ours. Further streams are let in
/// line as pending connections of the same number.
///
/// # Errors
/// [`TransportError::Arti`], when the circuit fails, or the client's behaviour has it cut.
pub(super) async fn open(request: RendRequest, circuit: Circuit) -> Result<ArtiIo, TransportError> {
    let mut streams = request.accept().await.map_err(error::accept)?;
    let mut refused = 0;
    let first = next_taken(&mut streams, &circuit, &mut refused).await;
    let first = first.ok_or_else(|| error::arti("the client left without a stream"))?;
    let users = TaskTracker::new();
    let io = accept(first, users.token(), circuit.clone()).await?;
    let further = further(streams, circuit.clone(), users, refused);
    // It ends with the circuit, and with the client.
    circuit.client.spawn(further);
    Ok(io)
}

/// Accepts a stream, which keeps its circuit from now on.
///
/// # Errors
/// [`TransportError::Arti`].
pub(super) async fn accept(
    request: StreamRequest,
    kept: TaskTrackerToken,
    circuit: Circuit,
) -> Result<ArtiIo, TransportError> {
    let stream = request.accept(Connected::new_empty()).await;
    let stream = stream.map_err(error::accept)?;
    Ok(ArtiIo::accepted(stream, circuit.client, kept))
}

/// The next stream to a port of ours; `None` when the circuit ends or is to end.
async fn next_taken(
    streams: &mut (impl Stream<Item = StreamRequest> + Unpin),
    circuit: &Circuit,
    refused: &mut usize,
) -> Option<StreamRequest> {
    loop {
        let request = streams.next().await?;
        match verdict(request.request(), &circuit.ports) {
            Verdict::Take => return Some(request),
            Verdict::Refuse if *refused < MAX_REFUSED => {
                *refused += 1;
                refuse(request).await;
            }
            Verdict::Refuse | Verdict::Cut => {
                let _ = request.shutdown_circuit();
                return None;
            }
        }
    }
}

/// Refuses as every onion service does: other reasons would tell this one apart.
pub(super) async fn refuse(request: StreamRequest) {
    let done = End::new_with_reason(EndReason::DONE);
    // A circuit that is gone needs no refusal.
    let _ = request.reject(done).await;
}

/// Lets further streams in line until the circuit ends, or has been without one for long.
async fn further(
    mut streams: impl Stream<Item = StreamRequest> + Unpin,
    circuit: Circuit,
    users: TaskTracker,
    mut refused: usize,
) {
    // Waits are for nobody while it is open.
    users.close();
    loop {
        let next = next_taken(&mut streams, &circuit, &mut refused);
        let idle = async {
            users.wait().await;
            if let Ok(_place) = LINGERING.try_acquire() {
                sleep(LINGER).await;
            }
        };
        tokio::select! {
            next = next => {
                let Some(request) = next else { return };
                let pending = ArtiPending::stream(request, users.token(), &circuit);
                if let Err(full) = circuit.backlog.try_send(pending) {
                    circuit.observer.accepted(Backend::Arti);
                    circuit.observer.rejected(Reason::HandshakeLimit);
                    full.into_inner().refuse().await;
                }
            }
            () = idle => {
                if users.is_empty() {
                    return;
                }
            }
        }
    }
}
