//! Counts the streams on each circuit.
//!
//! An abort may end a circuit only if it carries no other stream.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::task_tracker::TaskTrackerToken;
use tor_proto::circuit::UniqId;

/// The dialed streams of one client, counted by circuit.
#[derive(Debug, Default)]
pub(crate) struct CircuitStreams {
    streams: Mutex<HashMap<UniqId, usize>>,
    /// Dials in progress; each may join any circuit.
    dials: AtomicUsize,
}

impl CircuitStreams {
    fn streams(&self) -> MutexGuard<'_, HashMap<UniqId, usize>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a dial in progress until the guard is dropped.
    pub(crate) fn begin_dial(self: &Arc<Self>) -> DialInProgress {
        self.dials.fetch_add(1, Ordering::SeqCst);
        DialInProgress(Arc::clone(self))
    }

    /// Records a dialed stream on its circuit.
    ///
    /// `exclusive`: Arti puts no other stream on the circuit.
    pub(crate) fn join(self: &Arc<Self>, circuit: UniqId, exclusive: bool) -> StreamOnCircuit {
        *self.streams().entry(circuit).or_default() += 1;
        StreamOnCircuit::Dialed {
            streams: Arc::clone(self),
            circuit,
            exclusive,
        }
    }
}

/// A dial that may join any circuit of its client.
#[derive(Debug)]
pub(crate) struct DialInProgress(Arc<CircuitStreams>);

impl Drop for DialInProgress {
    fn drop(&mut self) {
        self.0.dials.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One stream's registration on its circuit, removed on drop.
#[derive(Debug)]
pub(crate) enum StreamOnCircuit {
    Dialed {
        streams: Arc<CircuitStreams>,
        circuit: UniqId,
        exclusive: bool,
    },
    /// An accepted stream. The token keeps the client's circuit open.
    Accepted(TaskTrackerToken),
}

impl StreamOnCircuit {
    /// The circuit of a dialed stream.
    pub(crate) const fn dialed(&self) -> Option<&UniqId> {
        match self {
            Self::Dialed { circuit, .. } => Some(circuit),
            Self::Accepted(_) => None,
        }
    }

    /// Returns whether ending the circuit would end no other stream.
    pub(crate) fn is_alone(&self) -> bool {
        match self {
            Self::Dialed {
                exclusive: true, ..
            } => true,
            Self::Dialed {
                streams, circuit, ..
            } => {
                streams.streams().get(circuit) == Some(&1)
                    && streams.dials.load(Ordering::SeqCst) == 0
            }
            Self::Accepted(token) => token.task_tracker().len() == 1,
        }
    }
}

impl Drop for StreamOnCircuit {
    fn drop(&mut self) {
        let Self::Dialed {
            streams, circuit, ..
        } = self
        else {
            return;
        };
        let mut streams = streams.streams();
        if let Some(count) = streams.get_mut(circuit) {
            *count -= 1;
            if *count == 0 {
                streams.remove(circuit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    #[test]
    fn accepted_stream_alone_until_joined() {
        let users = TaskTracker::new();
        let first = StreamOnCircuit::Accepted(users.token());
        assert!(first.is_alone());
        let second = StreamOnCircuit::Accepted(users.token());
        assert!(!first.is_alone() && !second.is_alone());
        drop(first);
        assert!(second.is_alone());
    }
}
