//! The observer on the `metrics` facade.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, Histogram, Recorder};
use transport_core::{
    Backend, CloseReason, Direction, Observer, ProxyResult, ProxyVersion, Queue, ReadyState,
    Reason, Scope, TaskKind, TlsHandshake,
};

use crate::family::{Family, Registrar};
use crate::series::custom_names;
use crate::throttle_seconds::ThrottleSeconds;
use crate::{table, values};

/// Counts a transport's events with a recorder of the `metrics` facade.
///
/// It creates its handles once. If several observers share a recorder, counters, `conn_inflight`,
/// `memory_held_bytes` and `queue_depth` add up; the other gauges show the last value.
#[derive(Debug)]
pub struct MetricsObserver {
    /// The names of the custom backends. Their positions follow those of the built-in backends.
    custom: Box<[&'static str]>,
    dials: Family<Counter, 2>,
    accepts: Family<Counter, 1>,
    handshake_latency: Family<Histogram, 1>,
    conn_inflight: Family<Gauge, 1>,
    closes: Family<Counter, 2>,
    bytes: [Family<Counter, 1>; 2],
    io_size: [Family<Histogram, 1>; 2],
    rejected: Family<Counter, 1>,
    peers_tracked: Family<Gauge, 1>,
    peer_conns_max: Family<Gauge, 1>,
    tls_handshakes: Family<Counter, 3>,
    proxy_headers: Family<Counter, 2>,
    tls_certificate_expiry: Family<Gauge, 0>,
    tls_crl_expiry: Family<Gauge, 0>,
    throttle: ThrottleSeconds,
    memory_held: Family<Gauge, 0>,
    memory_limit: Family<Gauge, 0>,
    queue_depth: Family<Gauge, 1>,
    queue_dropped: Family<Counter, 1>,
    tasks_spawned: Family<Counter, 1>,
    tasks_aborted: Family<Counter, 1>,
    readiness: Family<Gauge, 0>,
    readiness_transitions: Family<Counter, 2>,
    reloads: Family<Counter, 1>,
    arti_bootstrap_progress: Family<Gauge, 0>,
}

impl MetricsObserver {
    /// Creates an observer on the current recorder.
    ///
    /// That is the local recorder of the calling thread, or the global one. Install it before;
    /// without a recorder, events are discarded.
    #[must_use]
    pub fn new(backends: &[Backend]) -> Self {
        metrics::with_recorder(|recorder| Self::with_recorder(recorder, backends))
    }

    /// Creates an observer on this recorder.
    ///
    /// It registers all series of these backends with 0, and ignores events of other backends.
    #[must_use]
    pub fn with_recorder(recorder: &dyn Recorder, backends: &[Backend]) -> Self {
        Self::builder().build_with(recorder, backends)
    }

    pub(crate) fn register(with: Registrar<'_>) -> Self {
        Self {
            custom: custom_names(with.backends).into(),
            dials: Family::register(with, &table::DIALS),
            accepts: Family::register(with, &table::ACCEPTS),
            handshake_latency: Family::register(with, &table::HANDSHAKE_LATENCY),
            conn_inflight: Family::register(with, &table::CONN_INFLIGHT),
            closes: Family::register(with, &table::CLOSES),
            bytes: [&table::BYTES_IN, &table::BYTES_OUT].map(|row| Family::register(with, row)),
            io_size: [&table::IO_READ_SIZE, &table::IO_WRITE_SIZE]
                .map(|row| Family::register(with, row)),
            rejected: Family::register(with, &table::REJECTED),
            peers_tracked: Family::register(with, &table::PEERS_TRACKED),
            peer_conns_max: Family::register(with, &table::PEER_CONNS_MAX),
            tls_handshakes: Family::register(with, &table::TLS_HANDSHAKES),
            proxy_headers: Family::register(with, &table::PROXY_HEADERS),
            tls_certificate_expiry: Family::register(with, &table::TLS_CERTIFICATE_EXPIRY),
            tls_crl_expiry: Family::register(with, &table::TLS_CRL_EXPIRY),
            throttle: ThrottleSeconds::register(with),
            memory_held: Family::register(with, &table::MEMORY_HELD),
            memory_limit: Family::register(with, &table::MEMORY_LIMIT),
            queue_depth: Family::register(with, &table::QUEUE_DEPTH),
            queue_dropped: Family::register(with, &table::QUEUE_DROPPED),
            tasks_spawned: Family::register(with, &table::TASKS_SPAWNED),
            tasks_aborted: Family::register(with, &table::TASKS_ABORTED),
            readiness: Family::register(with, &table::READINESS),
            readiness_transitions: Family::register(with, &table::READINESS_TRANSITIONS),
            reloads: Family::register(with, &table::RELOADS),
            arti_bootstrap_progress: Family::register(with, &table::ARTI_BOOTSTRAP_PROGRESS),
        }
    }

    /// Returns the position of the label value.
    ///
    /// It is out of range for an unregistered backend.
    fn position(&self, backend: Backend) -> usize {
        let custom = |name| self.custom.iter().position(|known| *known == name);
        match backend {
            Backend::Custom(name) => custom(name).map_or(usize::MAX, |at| Backend::ALL.len() + at),
            backend => backend.index().unwrap_or(usize::MAX),
        }
    }
}

impl Observer for MetricsObserver {
    fn dialed(&self, backend: Backend, ok: bool) {
        self.dials
            .at([self.position(backend), values::failed(ok)])
            .increment(1);
    }

    fn accepted(&self, backend: Backend) {
        self.accepts.at([self.position(backend)]).increment(1);
    }

    fn handshake(&self, backend: Backend, latency: Duration) {
        self.handshake_latency
            .at([self.position(backend)])
            .record(latency);
    }

    fn inflight(&self, backend: Backend, delta: i64) {
        shift(self.conn_inflight.at([self.position(backend)]), delta);
    }

    fn closed(&self, backend: Backend, reason: CloseReason) {
        self.closes
            .at([self.position(backend), reason as usize])
            .increment(1);
    }

    fn bytes(&self, backend: Backend, direction: Direction, bytes: u64) {
        self.bytes[direction as usize]
            .at([self.position(backend)])
            .increment(bytes);
    }

    fn io_size(&self, backend: Backend, direction: Direction, bytes: usize) {
        self.io_size[direction as usize]
            .at([self.position(backend)])
            .record(bytes as f64);
    }

    fn rejected(&self, reason: Reason) {
        self.rejected.at([reason.index()]).increment(1);
    }

    fn peers(&self, backend: Backend, tracked: usize, max_conns: usize) {
        self.peers_tracked
            .at([self.position(backend)])
            .set(tracked as f64);
        self.peer_conns_max
            .at([self.position(backend)])
            .set(max_conns as f64);
    }

    fn tls_handshake(&self, handshake: TlsHandshake) {
        let TlsHandshake { kx, resumed, ok } = handshake;
        if let Some(kx) = values::kx(kx) {
            let at = [kx, usize::from(resumed), values::failed(ok)];
            self.tls_handshakes.at(at).increment(1);
        }
    }

    fn proxy_header(&self, version: Option<ProxyVersion>, result: ProxyResult) {
        let at = [values::proxy_version(version), result as usize];
        self.proxy_headers.at(at).increment(1);
    }

    fn certificate_expiry(&self, not_after: SystemTime) {
        self.tls_certificate_expiry
            .at([])
            .set(unix_seconds(not_after));
    }

    fn crl_expiry(&self, next_update: Option<SystemTime>) {
        let seconds = next_update.map_or(0.0, unix_seconds);
        self.tls_crl_expiry.at([]).set(seconds);
    }

    fn throttled(&self, scope: Scope, direction: Direction, parked: Duration) {
        self.throttle.add(scope, direction, parked);
    }

    fn memory_held(&self, delta: i64) {
        shift(self.memory_held.at([]), delta);
    }

    fn memory_limit(&self, bytes: u64) {
        self.memory_limit.at([]).set(bytes as f64);
    }

    fn queue_depth(&self, queue: Queue, delta: i64) {
        shift(self.queue_depth.at([queue as usize]), delta);
    }

    fn queue_dropped(&self, queue: Queue) {
        self.queue_dropped.at([queue as usize]).increment(1);
    }

    fn task_spawned(&self, kind: TaskKind) {
        self.tasks_spawned.at([kind as usize]).increment(1);
    }

    fn task_aborted(&self, kind: TaskKind) {
        self.tasks_aborted.at([kind as usize]).increment(1);
    }

    fn readiness(&self, state: ReadyState) {
        self.readiness.at([]).set(state.level());
        if let Some(at) = values::ready(state) {
            self.readiness_transitions.at(at).increment(1);
        }
    }

    fn reloaded(&self, ok: bool) {
        self.reloads.at([values::failed(ok)]).increment(1);
    }

    fn arti_progress(&self, fraction: f64) {
        self.arti_bootstrap_progress
            .at([])
            .set(fraction.clamp(0.0, 1.0));
    }
}

fn shift(gauge: &Gauge, delta: i64) {
    let by = delta.unsigned_abs() as f64;
    if delta < 0 {
        gauge.decrement(by);
    } else {
        gauge.increment(by);
    }
}

/// Returns the Unix time in seconds, negative before 1970.
fn unix_seconds(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}
