//! How many streams share a circuit: an abort ends the circuit of a stream that is alone on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::task_tracker::TaskTrackerToken;
use tor_proto::circuit::UniqId;

/// The dialed streams of one client, by circuit.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    streams: Mutex<HashMap<UniqId, usize>>,
    /// Dials under way: each may get any circuit.
    dials: AtomicUsize,
}

impl Sharing {
    fn streams(&self) -> MutexGuard<'_, HashMap<UniqId, usize>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A dial begins; it is over when the guard is dropped.
    pub(super) fn dialing(self: &Arc<Self>) -> Dialing {
        self.dials.fetch_add(1, Ordering::SeqCst);
        Dialing(Arc::clone(self))
    }

    /// A dialed stream is on this circuit; `exclusive`: no other is ever let on it.
    pub(super) fn joined(self: &Arc<Self>, circuit: UniqId, exclusive: bool) -> OnCircuit {
        *self.streams().entry(circuit).or_default() += 1;
        OnCircuit::Dialed {
            sharing: Arc::clone(self),
            circuit,
            exclusive,
        }
    }
}

/// A dial that is under way.
#[derive(Debug)]
pub(super) struct Dialing(Arc<Sharing>);

impl Drop for Dialing {
    fn drop(&mut self) {
        self.0.dials.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The place of one stream on its circuit.
#[derive(Debug)]
pub(super) enum OnCircuit {
    /// Of a dialed stream.
    Dialed {
        sharing: Arc<Sharing>,
        circuit: UniqId,
        exclusive: bool,
    },
    /// Of a client's stream at the onion service; it keeps the circuit.
    Accepted(TaskTrackerToken),
}

impl OnCircuit {
    /// The circuit of a dialed stream.
    pub(super) const fn dialed(&self) -> Option<&UniqId> {
        match self {
            Self::Dialed { circuit, .. } => Some(circuit),
            Self::Accepted(_) => None,
        }
    }

    /// Returns whether the circuit can end without another stream's end.
    pub(super) fn is_alone(&self) -> bool {
        match self {
            Self::Dialed {
                exclusive: true, ..
            } => true,
            Self::Dialed {
                sharing, circuit, ..
            } => {
                sharing.streams().get(circuit) == Some(&1)
                    && sharing.dials.load(Ordering::SeqCst) == 0
            }
            Self::Accepted(token) => token.task_tracker().len() == 1,
        }
    }
}

impl Drop for OnCircuit {
    fn drop(&mut self) {
        let Self::Dialed {
            sharing, circuit, ..
        } = self
        else {
            return;
        };
        let mut streams = sharing.streams();
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
        let first = OnCircuit::Accepted(users.token());
        assert!(first.is_alone());
        let second = OnCircuit::Accepted(users.token());
        assert!(!first.is_alone() && !second.is_alone());
        drop(first);
        assert!(second.is_alone());
    }
}
