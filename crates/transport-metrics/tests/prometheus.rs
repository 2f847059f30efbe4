//! The contents of a scrape.

// The lints exempt test functions, but not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod exposition;

use std::collections::BTreeSet;
use std::time::Duration;

use exposition::parse;
use transport_core::{Backend, CloseReason, Direction, Observer};
use transport_metrics::{MetricKind, MetricsObserver, MetricsPrefix, Prometheus, Series, METRICS};

fn set_up(backends: &[Backend]) -> (Prometheus, MetricsObserver) {
    let prometheus = Prometheus::new().unwrap();
    let observer = MetricsObserver::with_recorder(prometheus.recorder(), backends);
    (prometheus, observer)
}

fn series(name: &str, labels: &Series) -> String {
    let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
    if labels.is_empty() {
        return name.to_owned();
    }
    format!("{name}{{{}}}", labels.join(","))
}

/// Returns the sample names of a series, by kind.
fn samples(name: &str, kind: MetricKind, labels: &Series) -> Vec<String> {
    let MetricKind::Histogram(bounds) = kind else {
        return vec![series(name, labels)];
    };
    let bounds = bounds
        .iter()
        .map(ToString::to_string)
        .chain(["+Inf".to_owned()]);
    let plain = series("", labels);
    let bucket = |le: String| match plain.strip_suffix('}') {
        Some(open) => format!("{name}_bucket{open},le=\"{le}\"}}"),
        None => format!("{name}_bucket{{le=\"{le}\"}}"),
    };
    let rest = [format!("{name}_sum{plain}"), format!("{name}_count{plain}")];
    bounds.map(bucket).chain(rest).collect()
}

#[test]
fn first_scrape_shows_all_series_at_zero() {
    for backends in [
        &[Backend::Tcp][..],
        &[Backend::Tls, Backend::Uds],
        &Backend::ALL,
    ] {
        let (prometheus, _observer) = set_up(backends);
        let families = parse(&prometheus.render());
        let mut wanted = BTreeSet::new();
        for metric in METRICS
            .iter()
            .filter(|metric| !metric.series(backends).is_empty())
        {
            wanted.insert(metric.name.to_owned());
            let family = &families[metric.name];
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram(_) => "histogram",
            };
            assert_eq!(
                (family.kind.as_str(), family.help.as_str()),
                (kind, metric.help)
            );
            let all = metric.series(backends);
            let all = all
                .iter()
                .flat_map(|labels| samples(metric.name, metric.kind, labels));
            assert_eq!(
                family.samples.keys().cloned().collect::<BTreeSet<_>>(),
                all.collect()
            );
            assert!(family.samples.values().all(|value| *value == 0.0));
        }
        assert_eq!(families.into_keys().collect::<BTreeSet<_>>(), wanted);
    }
}

#[test]
fn bucket_bounds_are_inclusive() {
    let (prometheus, observer) = set_up(&[Backend::Tcp]);
    observer.handshake(Backend::Tcp, Duration::from_millis(80));
    observer.handshake(Backend::Tcp, Duration::from_millis(81));
    observer.handshake(Backend::Tcp, Duration::from_secs(11));
    observer.io_size(Backend::Tcp, Direction::In, 1024);
    observer.io_size(Backend::Tcp, Direction::In, 1025);
    observer.io_size(Backend::Tcp, Direction::Out, 1 << 20);
    let families = parse(&prometheus.render());
    let bucket = |name: &str, le: &str| {
        families[name].samples[&format!("{name}_bucket{{backend=\"tcp\",le=\"{le}\"}}")]
    };
    let latency = ["0.05", "0.08", "0.1", "10", "+Inf"];
    assert_eq!(
        latency.map(|le| bucket("handshake_latency_seconds", le)),
        [0., 1., 2., 2., 3.]
    );
    assert_eq!(
        ["1024", "2048"].map(|le| bucket("io_read_size_bytes", le)),
        [1., 2.]
    );
    assert_eq!(
        ["524288", "1048576"].map(|le| bucket("io_write_size_bytes", le)),
        [0., 1.]
    );
}

#[test]
fn recorders_do_not_mix() {
    let (first, observer) = set_up(&[Backend::Tcp]);
    let (second, _idle) = set_up(&[Backend::Tcp]);
    observer.bytes(Backend::Tcp, Direction::Out, u64::from(u32::MAX) + 1);
    assert!(first
        .render()
        .contains("bytes_out_total{backend=\"tcp\"} 4294967296\n"));
    assert!(second
        .render()
        .contains("bytes_out_total{backend=\"tcp\"} 0\n"));
}

#[test]
fn documented_quick_look_matches() {
    let (prometheus, _observer) = set_up(&[Backend::Tcp]);
    let families = parse(&prometheus.render());
    for name in [
        "transport_dials_total",
        "transport_accepts_total",
        "transport_closes_total",
        "rejected_total",
        "bytes_in_total",
        "bytes_out_total",
        "conn_inflight",
        "handshake_latency_seconds",
    ] {
        assert!(families.contains_key(name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_upkeep_loses_no_sample() {
    let (prometheus, observer) = set_up(&[Backend::Tcp]);
    let upkeep = prometheus.upkeep(Duration::from_secs(5));
    let recording = async {
        for _ in 0..10 {
            observer.handshake(Backend::Tcp, Duration::from_millis(1));
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    tokio::select! {
        () = upkeep => panic!("the upkeep ended"),
        () = recording => {}
    }
    let count = "handshake_latency_seconds_count{backend=\"tcp\"} 10\n";
    assert!(prometheus.render().contains(count));
    let zero = prometheus.upkeep(Duration::ZERO);
    assert!(tokio::time::timeout(Duration::from_secs(1), zero)
        .await
        .is_err());
}

#[test]
fn other_metrics_are_unchanged() {
    let prometheus = Prometheus::new().unwrap();
    metrics::with_local_recorder(prometheus.recorder(), || {
        metrics::describe_gauge!("level", "How high it is.");
        let (level, jobs) = (
            metrics::gauge!("level"),
            metrics::counter!("jobs", "of" => "a"),
        );
        level.set(2.5);
        jobs.increment(3);
        let text = prometheus.render();
        assert!(text.contains("# HELP level How high it is.\n# TYPE level gauge\nlevel 2.5\n"));
        assert!(text.contains("jobs{of=\"a\"} 3\n"));
        // A gauge may decrease, a counter never does.
        level.decrement(3.0);
        jobs.absolute(2);
        let text = prometheus.render();
        assert!(text.contains("level -0.5\n"));
        assert!(text.contains("jobs{of=\"a\"} 3\n"));
    });
}

#[test]
fn prefixed_histograms_have_buckets() {
    let prefix: MetricsPrefix = "myapp_".parse().unwrap();
    let observer = MetricsObserver::builder()
        .prefix(prefix.clone())
        .transport("public".parse().unwrap());
    let prometheus = Prometheus::with_prefix(&prefix).unwrap();
    let _observer = observer.build_with(prometheus.recorder(), &[Backend::Tcp]);
    let text = prometheus.render();
    let bucket = "\nmyapp_handshake_latency_seconds_bucket{transport=\"public\",backend=\"tcp\",le=\"0.08\"} 0\n";
    assert!(text.contains(bucket), "{text}");
    let series = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in series {
        assert!(
            line.starts_with("myapp_") && line.contains("{transport=\"public\""),
            "{line}"
        );
    }
}

/// The documented rule for Prometheus finds every name with a prefix.
#[test]
fn documented_relabeling_covers_all_names() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/EMBEDDING.md");
    let page = std::fs::read_to_string(page).unwrap();
    let line = page
        .lines()
        .find_map(|line| line.trim().strip_prefix("regex: myapp_(("));
    let words = line.and_then(|line| line.strip_suffix(")_.+)")).unwrap();
    let words: Vec<_> = words.split('|').collect();
    for metric in METRICS {
        let (word, _) = metric.name.split_once('_').unwrap();
        assert!(words.contains(&word), "{}", metric.name);
    }
}

#[test]
fn custom_exporter_gets_buckets() {
    let builder = metrics_exporter_prometheus::PrometheusBuilder::new().add_global_label("a", "b");
    let recorder = Prometheus::with_buckets(builder).unwrap().build_recorder();
    let _observer = MetricsObserver::with_recorder(&recorder, &[Backend::Tcp]);
    let text = recorder.handle().render();
    assert!(text.contains("# TYPE io_read_size_bytes histogram\n"));
    assert!(text.contains("io_read_size_bytes_bucket{a=\"b\",backend=\"tcp\",le=\"1024\"} 0\n"));
}

#[test]
fn custom_backend_has_its_own_series() {
    let vsock = Backend::Custom("vsock");
    let (prometheus, observer) = set_up(&[Backend::Tcp, vsock]);
    observer.accepted(vsock);
    observer.closed(vsock, CloseReason::Eof);
    observer.accepted(Backend::Custom("unregistered"));
    observer.closed(Backend::Custom("unregistered"), CloseReason::Eof);
    let text = prometheus.render();
    for line in [
        "transport_accepts_total{backend=\"vsock\"} 1",
        "transport_accepts_total{backend=\"tcp\"} 0",
        "transport_closes_total{backend=\"vsock\",reason=\"eof\"} 1",
        "transport_closes_total{backend=\"tcp\",reason=\"eof\"} 0",
        "transport_closes_total{backend=\"vsock\",reason=\"reset\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("unregistered"), "{text}");
}
