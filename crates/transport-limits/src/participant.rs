//! One limiter among those that share ceilings, as the ceilings see it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use transport_core::{Backend, Observer};

/// Before the first accepted connection.
const ACCEPTS_NONE: usize = usize::MAX;
/// After the end.
const ENDED: usize = usize::MAX - 1;

/// Reports shared gauges to the observer of one limiter.
///
/// Each observer shows the current value, also after a change by another limiter.
pub(crate) struct Participant {
    observer: Arc<dyn Observer>,
    /// Index of the backend that accepted last, or one of the constants.
    accepts: AtomicUsize,
}

impl Participant {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer,
            accepts: AtomicUsize::new(ACCEPTS_NONE),
        }
    }

    /// Notes the backend of an accepted connection.
    pub(crate) fn accepts(&self, backend: Backend) {
        if self.accepts.load(Ordering::Relaxed) != ENDED {
            self.accepts.store(backend.index(), Ordering::Relaxed);
        }
    }

    pub(crate) fn memory_limit(&self, bytes: u64) {
        self.observer.memory_limit(bytes);
    }

    pub(crate) fn peers(&self, tracked: usize, max_conns: usize) {
        let at = self.accepts.load(Ordering::Relaxed);
        if let Some(backend) = Backend::ALL.get(at) {
            self.observer.peers(*backend, tracked, max_conns);
        }
    }

    /// Ends the reports with 0; peers of other limiters no longer count here.
    pub(crate) fn end(&self) {
        self.peers(0, 0);
        self.accepts.store(ENDED, Ordering::Relaxed);
    }
}
