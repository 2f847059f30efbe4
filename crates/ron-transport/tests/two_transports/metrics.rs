//! Label, prefix and added observers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ron_transport::metrics::{Prometheus, METRICS};
use ron_transport::{echo, Backend, Limits, Observer, Reason, Transport, TransportBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::Recorder;

use crate::capped;
use crate::edge::Edge;

#[tokio::test]
async fn every_series_has_the_label() {
    let edge = Edge::new(Limits::new()).await;
    drop(edge.over_tls().await);
    let text = edge.prometheus.render();
    let mut of = BTreeMap::<&str, usize>::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let labels = line.split_once('{').map_or("", |(_, rest)| rest);
        let name = labels.strip_prefix("transport=\"");
        let name = name.unwrap_or_else(|| panic!("no label: {line}"));
        *of.entry(name.split('"').next().unwrap()).or_default() += 1;
    }
    assert_eq!(
        of.keys().copied().collect::<Vec<_>>(),
        ["private", "public"]
    );
    // Each has all series from the start; histograms appear with their first value.
    assert!(of.values().all(|series| *series > METRICS.len()), "{of:?}");
    assert_eq!(
        edge.metric("transport_accepts_total{transport=\"private\",backend=\"uds\"}"),
        0.0
    );
    assert_eq!(
        edge.metric("transport_accepts_total{transport=\"public\",backend=\"tls\"}"),
        1.0
    );
}

#[test]
fn invalid_names_and_prefixes() {
    let build = |builder: TransportBuilder| builder.build().unwrap_err().to_string();
    let error = build(Transport::builder().name("Public"));
    assert!(
        error.contains("the name \"Public\" of a transport must"),
        "{error}"
    );
    let error = build(Transport::builder().metrics_prefix("my-app"));
    assert!(
        error.contains("the metrics prefix \"my-app\" must"),
        "{error}"
    );
    let prometheus = Prometheus::new().unwrap();
    let late = Transport::builder()
        .recorder(prometheus.recorder())
        .name("late");
    assert!(build(late).contains("must be set before recorder"));
}

/// A missing method would lose its events.
#[test]
fn added_observers_get_every_method() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path| std::fs::read_to_string(root.join(path)).unwrap();
    let (observer, tee) = (
        read("../transport-core/src/observer.rs"),
        read("src/tee.rs"),
    );
    let methods: Vec<_> = observer
        .lines()
        .filter_map(|line| line.strip_prefix("    fn ")?.split_once("(&self, "))
        .collect();
    assert!(methods.len() > 20, "{methods:?}");
    for (method, _) in methods {
        assert!(tee.contains(&format!("        {method}(")), "{method}");
    }
}

#[test]
fn prefix_applies_to_every_metric() {
    let prefix = "myapp_".parse().unwrap();
    let prometheus = Prometheus::with_prefix(&prefix).unwrap();
    let transport = Transport::builder()
        .metrics_prefix("myapp_")
        .recorder(prometheus.recorder());
    let transport = transport.build().unwrap();
    let text = prometheus.render();
    assert!(text.contains("\nmyapp_transport_readiness 2\n"), "{text}");
    assert!(
        text.contains("# HELP myapp_transport_accepts_total "),
        "{text}"
    );
    let series = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in series {
        assert!(line.starts_with("myapp_"), "{line}");
    }
    drop(transport);
}

/// Panics at the first reject, and records the others.
struct Panicking(Mutex<u32>);

impl Observer for Panicking {
    fn accepted(&self, _: Backend) {
        *self.0.lock().unwrap() += 1;
    }

    fn rejected(&self, _: Reason) {
        panic!("the test panics here");
    }
}

#[tokio::test]
async fn panicking_observer_loses_its_event_only() {
    let prometheus = Prometheus::new().unwrap();
    let panicking = Arc::new(Panicking(Mutex::default()));
    let after = Recorder::new();
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse().unwrap())
        .limits(capped(1))
        .recorder(prometheus.recorder())
        .also_observe(panicking.clone())
        .also_observe(after.observer())
        .build()
        .unwrap();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let transport = Arc::new(transport);
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));
    let mut first = tokio::net::TcpStream::connect(addr).await.unwrap();
    for _ in 0..2 {
        first.write_all(b"x").await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'x');
        let mut second = tokio::net::TcpStream::connect(addr).await.unwrap();
        assert!(matches!(second.read(&mut [0]).await, Ok(0) | Err(_)));
    }
    let rejects = "rejected_total{reason=\"conn_limit\"} 2\n";
    assert!(prometheus.render().contains(rejects));
    assert_eq!(after.rejected(Reason::ConnLimit), 2);
    assert_eq!(*panicking.0.lock().unwrap(), 3);
    transport.shutdown(Duration::ZERO).await;
    serving.await.unwrap().unwrap();
}
