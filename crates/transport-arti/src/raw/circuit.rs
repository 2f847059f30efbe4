//! A client's circuit to the onion service: its streams and its lifetime.

use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tokio_util::task::TaskTracker;
use tor_cell::relaycell::msg::{Connected, End, EndReason};
use tor_hsservice::{RendRequest, StreamRequest};
use tor_proto::stream::IncomingStreamRequest;
use transport_core::{Backend, Reason, TransportError};

use super::arrival::{Arrival, ArrivalRequest, RendezvousCircuit};
use super::stream::ArtiIo;
use crate::error;

/// Most refused streams of a circuit. One more suggests a port scan and ends the circuit.
const MAX_REFUSED: usize = 8;
/// How long a circuit stays open without a stream.
///
/// A client that opens one stream after the other then needs no new circuit.
const LINGER: Duration = Duration::from_secs(10);

/// Limits lingering circuits. Further circuits end with their last stream.
static LINGERING: Semaphore = Semaphore::const_new(256);

/// The response to a client's stream request.
#[derive(Debug, PartialEq, Eq)]
enum StreamVerdict {
    Accept,
    /// The service does not serve this port.
    Refuse,
    /// Ends the circuit: no onion service client sends such a request.
    EndCircuit,
}

fn verdict(request: &IncomingStreamRequest, ports: &[u16]) -> StreamVerdict {
    match request {
        IncomingStreamRequest::Begin(begin) if ports.contains(&begin.port()) => {
            StreamVerdict::Accept
        }
        IncomingStreamRequest::Begin(_) => StreamVerdict::Refuse,
        _ => StreamVerdict::EndCircuit,
    }
}

/// Builds the circuit and accepts its first stream to a served port.
///
/// Later streams become pending connections with the same circuit number.
///
/// # Errors
/// [`TransportError::Arti`] if the circuit fails, or ends before such a stream.
pub(super) async fn open(
    request: RendRequest,
    circuit: RendezvousCircuit,
) -> Result<ArtiIo, TransportError> {
    let mut streams = request.accept().await.map_err(error::accept)?;
    let mut refused = 0;
    let first = next_accepted(&mut streams, &circuit, &mut refused).await;
    let first =
        first.ok_or_else(|| error::arti("the circuit ended before the client opened a stream"))?;
    let users = TaskTracker::new();
    let io = accept(first, users.token(), circuit.clone()).await?;
    let further = queue_streams(streams, circuit.clone(), users, refused);
    // The task ends with the circuit or with the instance.
    circuit.instance.spawn(further);
    Ok(io)
}

/// Accepts a stream; the token keeps its circuit open.
///
/// # Errors
/// [`TransportError::Arti`] if the circuit fails.
pub(super) async fn accept(
    request: StreamRequest,
    kept: TaskTrackerToken,
    circuit: RendezvousCircuit,
) -> Result<ArtiIo, TransportError> {
    let stream = request.accept(Connected::new_empty()).await;
    let stream = stream.map_err(error::accept)?;
    Ok(ArtiIo::accepted(stream, circuit.instance, kept))
}

/// Returns the next stream to a served port; `None` at the end.
async fn next_accepted(
    streams: &mut (impl Stream<Item = StreamRequest> + Unpin),
    circuit: &RendezvousCircuit,
    refused: &mut usize,
) -> Option<StreamRequest> {
    loop {
        let request = streams.next().await?;
        match verdict(request.request(), &circuit.ports) {
            StreamVerdict::Accept => return Some(request),
            StreamVerdict::Refuse if *refused < MAX_REFUSED => {
                *refused += 1;
                refuse(request).await;
            }
            StreamVerdict::Refuse | StreamVerdict::EndCircuit => {
                let _ = request.shutdown_circuit();
                return None;
            }
        }
    }
}

/// Refuses a stream with `DONE`, as every onion service does.
///
/// Another reason would make this service distinguishable.
async fn refuse(request: StreamRequest) {
    let done = End::new_with_reason(EndReason::DONE);
    // Fails only if the circuit has ended.
    let _ = request.reject(done).await;
}

/// Queues later streams until the circuit ends or has lingered without one.
async fn queue_streams(
    mut streams: impl Stream<Item = StreamRequest> + Unpin,
    circuit: RendezvousCircuit,
    users: TaskTracker,
    mut refused: usize,
) {
    // `TaskTracker::wait` never completes on an open tracker.
    users.close();
    loop {
        let next = next_accepted(&mut streams, &circuit, &mut refused);
        let idle = async {
            users.wait().await;
            if let Ok(_permit) = LINGERING.try_acquire() {
                sleep(LINGER).await;
            }
        };
        tokio::select! {
            next = next => {
                let Some(request) = next else { return };
                let arrival = Arrival::stream(request, users.token(), &circuit);
                if let Err(full) = circuit.backlog.try_send(arrival) {
                    circuit.observer.accepted(Backend::Arti);
                    circuit.observer.rejected(Reason::HandshakeLimit);
                    if let ArrivalRequest::Stream(request, _) = full.into_inner().request {
                        refuse(*request).await;
                    }
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
