//! Each method changes its own series only.
//!
//! The tests use any recorder of the facade.

// The lints exempt test functions, but not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use metrics_util::MetricKind as FacadeKind;
use transport_core::{
    Backend, CloseReason, Direction, KeyExchange, Observer, ProxyResult, Queue, ReadyReason,
    ReadyState, Reason, Scope, TaskKind, TlsHandshake,
};
use transport_metrics::{MetricKind, MetricsObserver, METRICS};

fn observed(backends: &[Backend]) -> (MetricsObserver, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    (
        MetricsObserver::with_recorder(&recorder, backends),
        recorder.snapshotter(),
    )
}

fn text(name: &str, labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

/// Returns all series and their changes since the last call.
fn read(snapshotter: &Snapshotter) -> BTreeMap<String, Vec<f64>> {
    let series = snapshotter.snapshot().into_vec().into_iter();
    let read = series.map(|(composite, _, _, value)| {
        let key = composite.key();
        let labels: Vec<_> = key.labels().map(|l| (l.key(), l.value())).collect();
        let values = match value {
            DebugValue::Counter(value) => vec![value as f64],
            DebugValue::Gauge(value) => vec![value.0],
            DebugValue::Histogram(values) => values.into_iter().map(|value| value.0).collect(),
        };
        (text(key.name(), &labels), values)
    });
    read.collect()
}

fn moved(snapshotter: &Snapshotter) -> Vec<(String, f64)> {
    let all = read(snapshotter).into_iter();
    let flat = all.flat_map(|(name, values)| values.into_iter().map(move |v| (name.clone(), v)));
    flat.filter(|(_, value)| *value != 0.0).collect()
}

#[test]
fn series_of_table_exist_at_start() {
    for backends in [
        &[Backend::Tcp][..],
        &[Backend::Tcp, Backend::Tls],
        &Backend::ALL,
        &[],
    ] {
        let (_observer, snapshotter) = observed(backends);
        let wanted: BTreeSet<String> = METRICS
            .iter()
            .flat_map(|metric| {
                metric
                    .series(backends)
                    .into_iter()
                    .map(|s| text(metric.name, &s))
            })
            .collect();
        let seen = read(&snapshotter);
        assert_eq!(seen.keys().cloned().collect::<BTreeSet<_>>(), wanted);
        assert!(seen.values().flatten().all(|value| *value == 0.0));
    }
}

#[test]
fn kind_unit_and_help_are_described() {
    let (_observer, snapshotter) = observed(&Backend::ALL);
    for (key, unit, help, _) in snapshotter.snapshot().into_vec() {
        let metric = METRICS
            .iter()
            .find(|metric| metric.name == key.key().name())
            .unwrap();
        let kind = match metric.kind {
            MetricKind::Counter => FacadeKind::Counter,
            MetricKind::Gauge => FacadeKind::Gauge,
            MetricKind::Histogram(_) => FacadeKind::Histogram,
        };
        assert_eq!((key.kind(), unit), (kind, metric.unit), "{}", metric.name);
        assert_eq!(help.unwrap().as_ref(), metric.help);
    }
}

#[test]
fn names_follow_the_conventions() {
    let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len(), "a name twice");
    for metric in METRICS {
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.kind == MetricKind::Counter,
            "{metric:?}"
        );
        let series = metric.series(&Backend::ALL).len();
        assert!(
            (1..=48).contains(&series),
            "{} has {series} series",
            metric.name
        );
        if let MetricKind::Histogram(bounds) = metric.kind {
            assert!(
                bounds.windows(2).all(|pair| pair[0] < pair[1]),
                "{}",
                metric.name
            );
        }
    }
}

type Case = (Box<dyn Fn(&MetricsObserver)>, Vec<(&'static str, f64)>);

fn case(call: impl Fn(&MetricsObserver) + 'static, moves: &[(&'static str, f64)]) -> Case {
    (Box::new(call), moves.to_vec())
}

#[test]
fn each_method_changes_its_series_only() {
    use Backend::{Arti, Tcp, Tls, Uds};
    let seconds = Duration::from_secs;
    let hybrid = TlsHandshake {
        kx: KeyExchange::X25519MlKem768,
        resumed: true,
        ok: true,
    };
    let failed = TlsHandshake {
        kx: KeyExchange::None,
        resumed: false,
        ok: false,
    };
    let bootstrapping = ReadyState::Degraded {
        reason: ReadyReason::ArtiBootstrap,
    };
    let draining = ReadyState::NotReady {
        reason: ReadyReason::Draining,
    };
    let transition = "transport_readiness_transitions_total";
    assert_eq!(transition, transport_metrics::names::READINESS_TRANSITIONS);
    let cases = [
        case(
            |o| o.dialed(Tcp, true),
            &[("transport_dials_total{backend=tcp,result=ok}", 1.0)],
        ),
        case(
            |o| o.dialed(Arti, false),
            &[("transport_dials_total{backend=arti,result=error}", 1.0)],
        ),
        case(
            |o| o.accepted(Uds),
            &[("transport_accepts_total{backend=uds}", 1.0)],
        ),
        case(
            |o| o.handshake(Tls, Duration::from_millis(250)),
            &[("handshake_latency_seconds{backend=tls}", 0.25)],
        ),
        case(
            |o| o.inflight(Tcp, 2),
            &[("conn_inflight{backend=tcp}", 2.0)],
        ),
        case(
            |o| o.inflight(Tcp, -1),
            &[("conn_inflight{backend=tcp}", -1.0)],
        ),
        case(
            |o| o.closed(Tls, CloseReason::Truncated),
            &[("transport_closes_total{backend=tls,reason=truncated}", 1.0)],
        ),
        case(
            |o| o.bytes(Tcp, Direction::In, 9),
            &[("bytes_in_total{backend=tcp}", 9.0)],
        ),
        case(
            |o| o.bytes(Uds, Direction::Out, 8),
            &[("bytes_out_total{backend=uds}", 8.0)],
        ),
        case(
            |o| o.io_size(Tcp, Direction::In, 7),
            &[("io_read_size_bytes{backend=tcp}", 7.0)],
        ),
        case(
            |o| o.io_size(Tls, Direction::Out, 6),
            &[("io_write_size_bytes{backend=tls}", 6.0)],
        ),
        case(
            |o| o.peers(Tcp, 5, 3),
            &[
                ("peer_conns_max{backend=tcp}", 3.0),
                ("peers_tracked{backend=tcp}", 5.0),
            ],
        ),
        case(
            move |o| o.tls_handshake(hybrid),
            &[(
                "tls_handshakes_total{kx=x25519mlkem768,resumed=yes,result=ok}",
                1.0,
            )],
        ),
        case(
            move |o| o.tls_handshake(failed),
            &[("tls_handshakes_total{kx=none,resumed=no,result=error}", 1.0)],
        ),
        case(
            |o| o.proxy_header(None, ProxyResult::Untrusted),
            &[("proxy_headers_total{version=none,result=untrusted}", 1.0)],
        ),
        case(
            move |o| o.certificate_expiry(UNIX_EPOCH + seconds(1_900_000_000)),
            &[(
                "tls_certificate_expiry_timestamp_seconds{}",
                1_900_000_000.0,
            )],
        ),
        case(
            move |o| o.crl_expiry(Some(UNIX_EPOCH + seconds(1_800_000_000))),
            &[("tls_crl_expiry_timestamp_seconds{}", 1_800_000_000.0)],
        ),
        case(
            move |o| o.throttled(Scope::Peer, Direction::Out, seconds(3)),
            &[("throttle_seconds_total{scope=peer,direction=out}", 3.0)],
        ),
        case(
            |o| o.queue_depth(Queue::WriterInbox, 4),
            &[("queue_depth{queue=writer_inbox}", 4.0)],
        ),
        case(
            |o| o.queue_dropped(Queue::PendingHandshakes),
            &[("queue_dropped_total{queue=pending_handshakes}", 1.0)],
        ),
        case(
            |o| o.task_spawned(TaskKind::Serve),
            &[("tasks_spawned_total{kind=serve}", 1.0)],
        ),
        case(
            |o| o.task_aborted(TaskKind::Writer),
            &[("tasks_aborted_total{kind=writer}", 1.0)],
        ),
        case(
            |o| o.readiness(ReadyState::Ready),
            &[
                (
                    "transport_readiness_transitions_total{state=ready,reason=none}",
                    1.0,
                ),
                ("transport_readiness{}", 2.0),
            ],
        ),
        case(
            move |o| o.readiness(bootstrapping),
            &[
                (
                    "transport_readiness_transitions_total{state=degraded,reason=arti_bootstrap}",
                    1.0,
                ),
                ("transport_readiness{}", 1.0),
            ],
        ),
        case(
            move |o| o.readiness(draining),
            &[(
                "transport_readiness_transitions_total{state=not_ready,reason=draining}",
                1.0,
            )],
        ),
        case(
            |o| o.reloaded(true),
            &[("transport_reloads_total{result=ok}", 1.0)],
        ),
        case(
            |o| o.reloaded(false),
            &[("transport_reloads_total{result=rejected}", 1.0)],
        ),
        case(
            |o| o.arti_progress(0.5),
            &[("arti_bootstrap_progress{}", 0.5)],
        ),
        case(
            |o| o.arti_progress(7.0),
            &[("arti_bootstrap_progress{}", 1.0)],
        ),
    ];
    let (observer, snapshotter) = observed(&Backend::ALL);
    for (call, moves) in cases {
        call(&observer);
        let moves: Vec<_> = moves
            .into_iter()
            .map(|(name, by)| (name.to_owned(), by))
            .collect();
        assert_eq!(moved(&snapshotter), moves);
    }
}

#[test]
fn every_label_value_has_its_own_series() {
    let (observer, snapshotter) = observed(&Backend::ALL);
    for reason in Reason::ALL {
        observer.rejected(reason);
        assert_eq!(
            moved(&snapshotter),
            [(format!("rejected_total{{reason={reason}}}"), 1.0)]
        );
    }
    for (backend, reason) in Backend::ALL.into_iter().zip(CloseReason::ALL) {
        observer.closed(backend, reason);
        let reason = reason.as_str();
        let series = format!("transport_closes_total{{backend={backend},reason={reason}}}");
        assert_eq!(moved(&snapshotter), [(series, 1.0)]);
    }
    for kx in KeyExchange::ALL {
        observer.tls_handshake(TlsHandshake {
            kx,
            resumed: false,
            ok: true,
        });
        let series = format!("tls_handshakes_total{{kx={kx},resumed=no,result=ok}}");
        assert_eq!(moved(&snapshotter), [(series, 1.0)]);
    }
}

#[test]
fn other_backends_are_not_counted() {
    let (observer, snapshotter) = observed(&[Backend::Tcp]);
    observer.accepted(Backend::Tls);
    observer.inflight(Backend::Arti, 1);
    observer.bytes(Backend::Uds, Direction::In, 1);
    observer.tls_handshake(TlsHandshake {
        kx: KeyExchange::X25519,
        resumed: false,
        ok: true,
    });
    observer.certificate_expiry(UNIX_EPOCH);
    observer.crl_expiry(None);
    observer.arti_progress(1.0);
    assert_eq!(moved(&snapshotter), []);
}

#[test]
fn throttled_fractions_add_up() {
    let (observer, snapshotter) = observed(&[Backend::Tcp]);
    let park = || observer.throttled(Scope::Conn, Direction::In, Duration::from_millis(300));
    let series = "throttle_seconds_total{scope=conn,direction=in}".to_owned();
    (0..3).for_each(|_| park());
    assert_eq!(moved(&snapshotter), []);
    (0..7).for_each(|_| park());
    assert_eq!(moved(&snapshotter), [(series.clone(), 3.0)]);

    let worker = || (0..1000).for_each(|_| park());
    std::thread::scope(|scope| {
        scope.spawn(worker);
        scope.spawn(worker);
    });
    assert_eq!(moved(&snapshotter), [(series, 600.0)]);
}

#[test]
fn shared_recorder_is_not_reset() {
    let (first, first_seen) = observed(&[Backend::Tcp]);
    let (second, second_seen) = observed(&[Backend::Tcp]);
    first.accepted(Backend::Tcp);
    second.dialed(Backend::Tcp, true);
    assert_eq!(
        moved(&first_seen),
        [("transport_accepts_total{backend=tcp}".to_owned(), 1.0)]
    );
    let dials = "transport_dials_total{backend=tcp,result=ok}".to_owned();
    assert_eq!(moved(&second_seen), [(dials, 1.0)]);

    let shared = DebuggingRecorder::new();
    let one = MetricsObserver::with_recorder(&shared, &[Backend::Tcp]);
    one.inflight(Backend::Tcp, 3);
    let two = MetricsObserver::with_recorder(&shared, &[Backend::Tcp]);
    two.inflight(Backend::Tcp, 1);
    assert_eq!(
        moved(&shared.snapshotter()),
        [("conn_inflight{backend=tcp}".to_owned(), 4.0)]
    );
}

#[test]
fn new_uses_local_recorder() {
    let recorder = DebuggingRecorder::new();
    let observer =
        metrics::with_local_recorder(&recorder, || MetricsObserver::new(&[Backend::Tcp]));
    observer.accepted(Backend::Tcp);
    assert_eq!(moved(&recorder.snapshotter()).len(), 1);
}
