//! The OpenTelemetry bridge of the example: exact counters, buckets of the table.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

#[path = "../examples/opentelemetry/bridge.rs"]
mod bridge;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bridge::OtelRecorder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use ron_transport::config::COMPILED_BACKENDS;
use ron_transport::metrics::{
    MetricKind, MetricsObserver, IO_SIZE_BUCKETS, LATENCY_BUCKETS, METRICS,
};
use ron_transport::{Backend, Direction, Observer, Reason, Transport};

struct Otel {
    exporter: InMemoryMetricExporter,
    provider: SdkMeterProvider,
    recorder: OtelRecorder,
}

/// One exported data point.
#[derive(Debug, Clone, PartialEq)]
enum Point {
    Sum(u64),
    Gauge(f64),
    Histogram {
        bounds: Vec<f64>,
        counts: Vec<u64>,
        sum: f64,
    },
}

impl Otel {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let recorder = OtelRecorder::new(provider.meter("ron_transport"));
        Self {
            exporter,
            provider,
            recorder,
        }
    }

    /// Collects once; returns the points by name and labels.
    fn points(&self) -> BTreeMap<String, Point> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let mut points = BTreeMap::new();
        for resource in self.exporter.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(ScopeMetrics::metrics) {
                let series = |labels: &mut dyn Iterator<Item = &KeyValue>| {
                    let mut labels: Vec<_> = labels
                        .map(|label| format!("{}={}", label.key, label.value))
                        .collect();
                    labels.sort();
                    format!("{}{{{}}}", metric.name(), labels.join(","))
                };
                match metric.data() {
                    AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                        assert!(sum.is_monotonic());
                        for point in sum.data_points() {
                            let series = series(&mut point.attributes());
                            points.insert(series, Point::Sum(point.value()));
                        }
                    }
                    AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                        for point in gauge.data_points() {
                            let series = series(&mut point.attributes());
                            points.insert(series, Point::Gauge(point.value()));
                        }
                    }
                    AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                        for point in histogram.data_points() {
                            let value = Point::Histogram {
                                bounds: point.bounds().collect(),
                                counts: point.bucket_counts().collect(),
                                sum: point.sum(),
                            };
                            points.insert(series(&mut point.attributes()), value);
                        }
                    }
                    other => panic!("{}: {other:?}", metric.name()),
                }
            }
        }
        points
    }
}

#[test]
fn counters_are_exact() {
    let otel = Otel::new();
    let observer = MetricsObserver::with_recorder(&otel.recorder, &[Backend::Tcp]);
    let observer = Arc::new(observer);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let observer = Arc::clone(&observer);
            std::thread::spawn(move || {
                for _ in 0..10_000 {
                    observer.accepted(Backend::Tcp);
                    observer.bytes(Backend::Tcp, Direction::In, 3);
                    observer.rejected(Reason::Timeout);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // Cumulative: a second collection shows the same.
    for _ in 0..2 {
        let points = otel.points();
        let of = |series: &str| points[series].clone();
        assert_eq!(
            of("transport_accepts_total{backend=tcp}"),
            Point::Sum(40_000)
        );
        assert_eq!(of("bytes_in_total{backend=tcp}"), Point::Sum(120_000));
        assert_eq!(of("rejected_total{reason=timeout}"), Point::Sum(40_000));
        assert_eq!(of("rejected_total{reason=tls}"), Point::Sum(0));
    }
}

#[test]
fn buckets_are_those_of_the_table() {
    let otel = Otel::new();
    let observer = MetricsObserver::with_recorder(&otel.recorder, &Backend::ALL);
    let mut latencies = vec![0; LATENCY_BUCKETS.len() + 1];
    for (at, bound) in LATENCY_BUCKETS.iter().enumerate() {
        // A bound belongs to its bucket, and a value above it to the next.
        observer.handshake(Backend::Tls, Duration::from_secs_f64(*bound));
        observer.handshake(Backend::Tls, Duration::from_secs_f64(bound * 1.001));
        latencies[at] += 1;
        latencies[at + 1] += 1;
    }
    observer.io_size(Backend::Tcp, Direction::In, 1024);
    observer.io_size(Backend::Tcp, Direction::In, 2 << 20);
    let points = otel.points();
    let Point::Histogram { bounds, counts, .. } = &points["handshake_latency_seconds{backend=tls}"]
    else {
        panic!("no histogram");
    };
    assert_eq!((bounds.as_slice(), counts), (LATENCY_BUCKETS, &latencies));
    let mut sizes = vec![0; IO_SIZE_BUCKETS.len() + 1];
    (sizes[0], sizes[IO_SIZE_BUCKETS.len()]) = (1, 1);
    let expected = Point::Histogram {
        bounds: IO_SIZE_BUCKETS.to_vec(),
        counts: sizes,
        sum: f64::from(1024 + (2 << 20)),
    };
    assert_eq!(points["io_read_size_bytes{backend=tcp}"], expected);
}

#[test]
fn gauges_show_their_last_value() {
    let otel = Otel::new();
    let observer = MetricsObserver::with_recorder(&otel.recorder, &Backend::ALL);
    observer.inflight(Backend::Tcp, 5);
    observer.inflight(Backend::Tcp, -2);
    observer.memory_held(100);
    observer.certificate_expiry(UNIX_EPOCH + Duration::from_secs(2_000_000_000));
    let points = otel.points();
    let of = |series: &str| points[series].clone();
    assert_eq!(of("conn_inflight{backend=tcp}"), Point::Gauge(3.0));
    assert_eq!(of("memory_held_bytes{}"), Point::Gauge(100.0));
    let expiry = of("tls_certificate_expiry_timestamp_seconds{}");
    assert_eq!(expiry, Point::Gauge(2e9));
}

/// Every series of this build exists at once; histograms need a value.
#[test]
fn two_names_and_a_prefix() {
    let otel = Otel::new();
    let build = |name: &str| {
        let builder = Transport::builder().name(name).metrics_prefix("myapp_");
        builder.recorder(&otel.recorder).build().unwrap()
    };
    let (public, private) = (build("public"), build("private"));
    let points = otel.points();
    for metric in METRICS {
        for transport in ["public", "private"] {
            let name = format!("myapp_{}{{", metric.name);
            let label = format!("transport={transport}");
            let series = points.keys();
            let mut series =
                series.filter(|series| series.starts_with(&name) && series.contains(&label));
            let is_histogram = matches!(metric.kind, MetricKind::Histogram(_));
            let exists = !is_histogram && !metric.series(COMPILED_BACKENDS).is_empty();
            assert_eq!(series.next().is_some(), exists, "{name} {label}");
        }
    }
    let readiness =
        |name| points[&format!("myapp_transport_readiness{{transport={name}}}")].clone();
    assert_eq!(readiness("public"), Point::Gauge(2.0));
    drop(public);
    let points = otel.points();
    let readiness =
        |name| points[&format!("myapp_transport_readiness{{transport={name}}}")].clone();
    assert_eq!(readiness("public"), Point::Gauge(0.0));
    assert_eq!(readiness("private"), Point::Gauge(2.0));
    drop(private);
}
