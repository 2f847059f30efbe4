//! The admin endpoint.

use std::time::SystemTime;

use ron_transport::metrics::{MetricKind, METRICS};
use ron_transport::Backend;

use crate::common::{connect, Gateway, PATIENCE};

/// Metrics that only the gateway has, with their types.
const OWN: &[(&str, &str)] = &[
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
    ("process_cpu_seconds_total", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("ron_gateway_log_lines_dropped_total", "counter"),
    ("ron_gateway_conns_limit", "gauge"),
    ("ron_gateway_peer_conns_limit", "gauge"),
    ("ron_gateway_admin_requests_total", "counter"),
    ("ron_gateway_admin_evicted_total", "counter"),
    ("ron_gateway_build_info", "gauge"),
];

#[test]
fn first_scrape_has_every_metric() {
    let gateway = Gateway::start(&[]);
    let response = gateway.get("/metrics");
    assert_eq!(response.status, 200);
    let expected = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
    assert!(response.head.contains(expected), "{}", response.head);
    let kind = |kind| match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram(_) => "histogram",
    };
    let ours = METRICS
        .iter()
        .filter(|metric| metric.needs.map_or(true, |needs| needs == Backend::Tcp))
        .map(|metric| (metric.name, kind(metric.kind)));
    for (name, kind) in ours.chain(OWN.iter().copied()) {
        let body = &response.body;
        assert!(body.contains(&format!("# HELP {name} ")), "{name}");
        assert!(body.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        let sample = |line: &str| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with([' ', '{', '_'])
        };
        assert!(body.lines().any(sample), "{name}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let info = format!("ron_gateway_build_info{{version=\"{version}\"}}");
    assert!((gateway.metric(&info) - 1.0).abs() < f64::EPSILON);
    assert!(gateway.metric("process_open_fds") > 3.0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let age = now.unwrap().as_secs_f64() - gateway.metric("process_start_time_seconds");
    assert!((0.0..PATIENCE.as_secs_f64()).contains(&age), "{age}");
    assert!(gateway.metric("process_resident_memory_bytes") > 1e6);
    assert!((gateway.metric("transport_readiness") - 2.0).abs() < f64::EPSILON);
}

#[test]
fn health_readiness_and_status() {
    let gateway = Gateway::start(&["--echo-frames"]);
    assert_eq!(gateway.get("/healthz").status, 200);
    let ready = gateway.get("/readyz?verbose");
    assert_eq!(
        (ready.status, ready.body.trim_end()),
        (200, r#"{"state":"ready"}"#)
    );
    assert!(ready.head.contains("content-type: application/json"));
    let status: serde_json::Value = serde_json::from_str(&gateway.get("/status").body).unwrap();
    assert_eq!(status["state"], "ready");
    assert_eq!(status["reason"], serde_json::Value::Null);
    assert_eq!(status["backend"], "tcp");
    assert_eq!(status["mode"], "echo_frames");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["listen"], gateway.addr.to_string());
    assert!(status["since"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn unknown_paths_and_methods_rejected() {
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.get("/index.html").status, 404);
    assert_eq!(gateway.get("/metrics/x").status, 404);
    for path in ["/metrics", "/"] {
        let head = gateway.request("HEAD", path, "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    let post = gateway.request("POST", "/metrics", "content-length: 0\r\n");
    assert_eq!(post.status, 405);
    assert!(post.head.contains("allow: get, head"), "{}", post.head);
    let body = gateway.request("GET", "/healthz", "content-length: 5\r\n");
    assert_eq!(body.status, 400);
    let huge = format!("x: {}\r\n", "y".repeat(64 * 1024));
    assert_eq!(gateway.request("GET", "/healthz", &huge).status, 431);
}

#[test]
fn admin_connections_not_counted() {
    let gateway = Gateway::start(&[]);
    let silent: Vec<_> = (0..20).map(|_| connect(gateway.admin)).collect();
    for _ in 0..20 {
        assert_eq!(gateway.get("/healthz").status, 200);
    }
    for series in ["transport_accepts_total", "conn_inflight", "bytes_in_total"] {
        let value = gateway.metric(&format!("{series}{{backend=\"tcp\"}}"));
        assert!(value.abs() < f64::EPSILON, "{series} {value}");
    }
    drop(silent);
}
