//! Observers beside the metrics.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use transport_core::{
    Backend, CloseReason, Direction, Observer, ProxyResult, ProxyVersion, Queue, ReadyState,
    Reason, Scope, TaskKind, TlsHandshake,
};

/// Passes each event to the metrics first, then to the embedder's observers.
///
/// A panic of an embedder's observer is caught, and logged once.
pub(crate) struct Tee {
    metrics: Arc<dyn Observer>,
    added: Vec<AddedObserver>,
}

struct AddedObserver {
    observer: Arc<dyn Observer>,
    panicked: AtomicBool,
}

impl Tee {
    pub(crate) fn new(metrics: Arc<dyn Observer>, added: Vec<Arc<dyn Observer>>) -> Self {
        let added = added.into_iter().map(|observer| AddedObserver {
            observer,
            panicked: AtomicBool::new(false),
        });
        Self {
            metrics,
            added: added.collect(),
        }
    }

    fn all(&self, report: impl Fn(&dyn Observer)) {
        report(&*self.metrics);
        for added in &self.added {
            let reported = catch_unwind(AssertUnwindSafe(|| report(&*added.observer)));
            if reported.is_err() && !added.panicked.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    target: "ron_transport",
                    event = "observer",
                    error = "added observer panicked and lost the event; its later panics are not \
                             logged; fix the observer",
                );
            }
        }
    }
}

/// Implements methods by passing their arguments on.
macro_rules! pass {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {
        $(fn $name(&self, $($arg: $type),*) {
            self.all(|observer| observer.$name($($arg),*));
        })*
    };
}

impl Observer for Tee {
    pass! {
        dialed(backend: Backend, ok: bool);
        accepted(backend: Backend);
        handshake(backend: Backend, latency: Duration);
        inflight(backend: Backend, delta: i64);
        closed(backend: Backend, reason: CloseReason);
        bytes(backend: Backend, direction: Direction, bytes: u64);
        io_size(backend: Backend, direction: Direction, bytes: usize);
        rejected(reason: Reason);
        peers(backend: Backend, tracked: usize, max_conns: usize);
        tls_handshake(handshake: TlsHandshake);
        proxy_header(version: Option<ProxyVersion>, result: ProxyResult);
        certificate_expiry(not_after: SystemTime);
        crl_expiry(next_update: Option<SystemTime>);
        throttled(scope: Scope, direction: Direction, parked: Duration);
        memory_held(delta: i64);
        memory_limit(bytes: u64);
        queue_depth(queue: Queue, delta: i64);
        queue_dropped(queue: Queue);
        task_spawned(kind: TaskKind);
        task_aborted(kind: TaskKind);
        readiness(state: ReadyState);
        reloaded(ok: bool);
        arti_progress(fraction: f64);
    }
}
