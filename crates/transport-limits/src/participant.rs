//! One limiter among those that share ceilings, as the ceilings see it.

use std::sync::{Arc, PoisonError, RwLock};

use transport_core::{Backend, Observer};

/// Reports shared gauges to the observer of one limiter.
///
/// Each observer shows the current value, also after a change by another limiter.
pub(crate) struct Participant {
    observer: Arc<dyn Observer>,
    accepts: RwLock<Accepts>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepts {
    /// Before the first accepted connection.
    None,
    /// The backend that accepted last.
    On(Backend),
    /// After the end of the limiter.
    Ended,
}

impl Participant {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer,
            accepts: RwLock::new(Accepts::None),
        }
    }

    /// Notes the backend of an accepted connection.
    pub(crate) fn accepts(&self, backend: Backend) {
        let known = self.accepting();
        if known != Accepts::On(backend) && known != Accepts::Ended {
            self.set(Accepts::On(backend));
        }
    }

    pub(crate) fn memory_limit(&self, bytes: u64) {
        self.observer.memory_limit(bytes);
    }

    pub(crate) fn peers(&self, tracked: usize, max_conns: usize) {
        if let Accepts::On(backend) = self.accepting() {
            self.observer.peers(backend, tracked, max_conns);
        }
    }

    /// Ends the reports with 0.
    ///
    /// Peers of other limiters no longer count here.
    pub(crate) fn end(&self) {
        self.peers(0, 0);
        self.set(Accepts::Ended);
    }

    fn accepting(&self) -> Accepts {
        *self.accepts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, next: Accepts) {
        let mut accepts = self.accepts.write().unwrap_or_else(PoisonError::into_inner);
        if *accepts != Accepts::Ended {
            *accepts = next;
        }
    }
}
