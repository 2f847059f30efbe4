//! The observer allocates no memory per event.

use std::alloc::System;
use std::time::Duration;

use metrics_util::debugging::DebuggingRecorder;
use stats_alloc::{Region, StatsAlloc, INSTRUMENTED_SYSTEM};
use transport_core::{
    Backend, CloseReason, Direction, KeyExchange, Observer, ProxyResult, Queue, ReadyState, Reason,
    Scope, TaskKind, TlsHandshake,
};
use transport_metrics::MetricsObserver;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Reports all events but those of histograms: the recorder stores their samples.
fn report(observer: &MetricsObserver) {
    let handshake = TlsHandshake {
        kx: KeyExchange::X25519,
        resumed: false,
        ok: true,
    };
    for backend in Backend::ALL {
        observer.dialed(backend, true);
        observer.accepted(backend);
        observer.inflight(backend, 1);
        observer.inflight(backend, -1);
        observer.closed(backend, CloseReason::Eof);
        observer.bytes(backend, Direction::In, 1);
        observer.peers(backend, 1, 1);
    }
    observer.rejected(Reason::Busy);
    observer.tls_handshake(handshake);
    observer.proxy_header(None, ProxyResult::Closed);
    observer.throttled(Scope::Global, Direction::Out, Duration::from_secs(1));
    observer.queue_depth(Queue::WriterInbox, 1);
    observer.queue_dropped(Queue::WriterInbox);
    observer.task_spawned(TaskKind::Serve);
    observer.task_aborted(TaskKind::Serve);
    observer.readiness(ReadyState::Ready);
    observer.reloaded(true);
}

#[test]
fn events_allocate_no_memory() {
    let recorder = DebuggingRecorder::new();
    let observer = MetricsObserver::with_recorder(&recorder, &Backend::ALL);
    // The test harness may allocate on its own thread: one round without allocations is enough.
    let clean = (0..100).any(|_| {
        let region = Region::new(ALLOCATOR);
        report(&observer);
        region.change().allocations == 0
    });
    assert!(clean);
}
