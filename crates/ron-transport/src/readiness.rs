//! Readiness of a transport: the worst state of its components.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use transport_core::{Observer, ReadyReason, ReadyState};
use transport_limits::Limiter;

/// Combines the components and reports each transition once: watch, log, metric.
#[derive(Clone)]
pub(crate) struct Readiness {
    components: Arc<Mutex<[ReadyState; Component::COUNT]>>,
    watch: watch::Sender<ReadyState>,
    /// Has the name of the transport, for the log.
    limiter: Limiter,
    observer: Arc<dyn Observer>,
}

/// A component whose state counts towards readiness.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Component {
    /// The transport's life cycle: starting, draining, stopped.
    Lifecycle,
    /// The listener.
    Listener,
    /// The Tor client, if there is one.
    Tor,
    /// The refusal of new connections because of overload.
    Load,
    /// The upstream of an embedder that forwards.
    Upstream,
}

impl Component {
    const COUNT: usize = 5;
}

impl Readiness {
    pub(crate) fn new(observer: Arc<dyn Observer>, limiter: Limiter) -> Self {
        let starting = ReadyState::NotReady {
            reason: ReadyReason::Starting,
        };
        observer.readiness(starting);
        let ready = ReadyState::Ready;
        let components = [starting, ready, ready, ready, ready];
        Self {
            components: Arc::new(Mutex::new(components)),
            watch: watch::Sender::new(starting),
            limiter,
            observer,
        }
    }

    pub(crate) fn set(&self, component: Component, state: ReadyState) {
        let mut components = self
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        components[component as usize] = state;
        // Of several equally bad components the first one counts: the life cycle.
        let worst = components.iter().min_by_key(|state| state.level()).copied();
        let state = worst.unwrap_or(state);
        let changed = self.watch.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        });
        // Reported under the lock, so that transitions are reported in their order.
        if changed {
            self.observer.readiness(state);
            tracing::info!(
                target: "ron_transport",
                transport = self.limiter.name(),
                event = "ready",
                state = %state,
                reason = state.reason().map(ReadyReason::as_str),
            );
        }
    }

    pub(crate) fn not_ready(&self, component: Component, reason: ReadyReason) {
        self.set(component, ReadyState::NotReady { reason });
    }

    /// Reports the current state to the observer again.
    pub(crate) fn report(&self) {
        let _one_at_a_time = self
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let state = *self.watch.borrow();
        self.observer.readiness(state);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<ReadyState> {
        self.watch.subscribe()
    }
}
