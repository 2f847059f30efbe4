//! Readiness of the whole: every part says how it is, and the worst part decides.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use transport_core::{Observer, ReadyReason, ReadyState};

/// Feeds the watch that embedders read. One event and one metric for each transition.
#[derive(Clone)]
pub(crate) struct Readiness {
    parts: Arc<Mutex<[ReadyState; Part::COUNT]>>,
    watch: watch::Sender<ReadyState>,
    observer: Arc<dyn Observer>,
}

/// What readiness is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// The transport's own life: starting, draining, stopped.
    Lifecycle,
    /// The backend that listens.
    Listener,
    /// The Tor client, if there is one.
    Tor,
    /// Whether new connections are refused for want of memory.
    Load,
}

impl Part {
    const COUNT: usize = 4;
}

impl Readiness {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        let starting = ReadyState::NotReady {
            reason: ReadyReason::Starting,
        };
        observer.readiness(starting);
        let ready = ReadyState::Ready;
        let parts = [starting, ready, ready, ready];
        Self {
            parts: Arc::new(Mutex::new(parts)),
            watch: watch::Sender::new(starting),
            observer,
        }
    }

    pub(crate) fn set(&self, part: Part, state: ReadyState) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts[part as usize] = state;
        // The first of the worst: lifecycle goes before the backend.
        let worst = parts.iter().min_by_key(|state| state.level()).copied();
        let state = worst.unwrap_or(state);
        let changed = self.watch.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        });
        // Reported under the lock, so that transitions are told in their order.
        if changed {
            self.observer.readiness(state);
            tracing::info!(
                target: "ron_transport",
                event = "ready",
                state = %state,
                reason = state.reason().map(ReadyReason::as_str),
            );
        }
    }

    pub(crate) fn not_ready(&self, part: Part, reason: ReadyReason) {
        self.set(part, ReadyState::NotReady { reason });
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<ReadyState> {
        self.watch.subscribe()
    }
}
