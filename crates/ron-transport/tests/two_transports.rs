//! Two transports in one process: public TLS and private Unix socket, under one limiter.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]
#![cfg(all(feature = "tls", feature = "uds", feature = "prometheus"))]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ron_transport::metrics::{Prometheus, METRICS};
use ron_transport::{
    echo, Backend, Config, Conn, Deadlines, Endpoint, Limiter, Limits, Observer, ReadyReason,
    ReadyState, Reason, ReloadError, Transport, TransportBuilder,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::Recorder;

/// A public TLS listener and a private Unix socket that share a limiter.
struct Edge {
    shared: Limiter,
    public: Arc<Transport>,
    private: Arc<Transport>,
    events: [Recorder; 2],
    prometheus: Prometheus,
    addr: SocketAddr,
    client: Transport,
    files: PkiDir,
    serving: Vec<JoinHandle<()>>,
}

impl Edge {
    async fn new(limits: Limits) -> Self {
        let (authority, files) = (Authority::new(), PkiDir::new());
        let ca = files.write("ca.pem", &authority.pem());
        files.write_pair("localhost", &authority.leaf(&["localhost"]));
        let dir = files.path("run");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        let shared = Limiter::builder().limits(limits).build().unwrap();
        let prometheus = Prometheus::new().unwrap();
        let events = [Recorder::new(), Recorder::new()];
        let named = |name: &str, events: &Recorder| {
            let builder = Transport::builder().name(name).limiter(&shared);
            let builder = builder.recorder(prometheus.recorder());
            builder.also_observe(events.observer())
        };
        let public = named("public", &events[0])
            .bind_addr("127.0.0.1:0".parse().unwrap())
            .tls_files(files.path("localhost.pem"), files.path("localhost.key"));
        let private = named("private", &events[1])
            .unix(dir.join("sock"))
            .allow_uids([rustix::process::getuid().as_raw()]);
        let build = |builder: TransportBuilder| Arc::new(builder.build().unwrap());
        let (public, private) = (build(public), build(private));
        let addr = public.listen().await.unwrap().socket_addr().unwrap();
        private.listen().await.unwrap();
        let mut trust = Config::default();
        trust
            .tls_client
            .set_trust_store(ron_transport::tls::TrustStore::Path);
        trust.tls_client.set_ca_bundle_path(Some(ca));
        let client = Transport::builder().config(trust);
        let client = client.observer(Recorder::new().observer()).build().unwrap();
        let mut edge = Self {
            shared,
            public,
            private,
            events,
            prometheus,
            addr,
            client,
            files,
            serving: Vec::new(),
        };
        for transport in [&edge.public, &edge.private] {
            let transport = Arc::clone(transport);
            edge.serving.push(tokio::spawn(async move {
                transport.serve(echoed).await.unwrap()
            }));
        }
        edge
    }

    /// Opens a TLS connection and exchanges a byte.
    async fn over_tls(&self) -> Option<Conn> {
        let to = Endpoint::tls("localhost", self.addr.port()).unwrap();
        let mut conn = self.client.dial(&to).await.ok()?;
        conn.write_all(b"x").await.ok()?;
        conn.flush().await.ok()?;
        (conn.read_u8().await.ok()? == b'x').then_some(conn)
    }

    /// Opens a connection to the Unix socket and exchanges a byte.
    async fn over_uds(&self) -> Option<UnixStream> {
        let path = self.files.path("run").join("sock");
        let mut stream = UnixStream::connect(path).await.ok()?;
        stream.write_all(b"x").await.ok()?;
        (stream.read_u8().await.ok()? == b'x').then_some(stream)
    }

    /// Returns the value of one series.
    fn metric(&self, series: &str) -> f64 {
        let text = self.prometheus.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        let line = line.unwrap_or_else(|| panic!("no series {series} in\n{text}"));
        line.trim().parse().unwrap()
    }

    fn readiness(&self) -> [f64; 2] {
        ["public", "private"]
            .map(|name| self.metric(&format!("transport_readiness{{transport=\"{name}\"}}")))
    }
}

async fn echoed(conn: Conn) {
    drop(echo(conn).await);
}

fn capped(conns: u64) -> Limits {
    Limits::new().with_max_conns(conns).unwrap()
}

async fn stopped_beside_ready() {
    let edge = Edge::new(Limits::new()).await;
    let (tls, mut uds) = (
        edge.over_tls().await.unwrap(),
        edge.over_uds().await.unwrap(),
    );
    assert_eq!(edge.readiness(), [2.0, 2.0]);
    drop(tls);
    let report = edge.public.shutdown(Duration::from_secs(5)).await;
    assert_eq!(report.aborted, 0);
    assert_eq!(edge.readiness(), [0.0, 2.0]);
    let stopped = ReadyState::NotReady {
        reason: ReadyReason::Stopped,
    };
    assert_eq!(*edge.public.readiness().borrow(), stopped);
    assert_eq!(*edge.private.readiness().borrow(), ReadyState::Ready);
    // The open connection of the other one, and new ones.
    uds.write_all(b"y").await.unwrap();
    assert_eq!(uds.read_u8().await.unwrap(), b'y');
    assert!(edge.over_uds().await.is_some());
    assert!(edge.over_tls().await.is_none());
    let expiry = "tls_certificate_expiry_timestamp_seconds";
    assert!(edge.metric(&format!("{expiry}{{transport=\"public\"}}")) > 0.0);
    assert_eq!(
        edge.metric(&format!("{expiry}{{transport=\"private\"}}")),
        0.0
    );
    let stops = "transport_readiness_transitions_total";
    let stops = |name| {
        edge.metric(&format!(
            "{stops}{{transport=\"{name}\",state=\"not_ready\",reason=\"stopped\"}}"
        ))
    };
    assert_eq!([stops("public"), stops("private")], [1.0, 0.0]);
}

#[tokio::test]
async fn one_stops_other_serves() {
    stopped_beside_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stops_other_serves_on_threads() {
    stopped_beside_ready().await;
}

#[tokio::test]
async fn cap_over_the_sum_without_leak() {
    let edge = Edge::new(capped(3)).await;
    let _tls = edge.over_tls().await.unwrap();
    let (_first, second) = (
        edge.over_uds().await.unwrap(),
        edge.over_uds().await.unwrap(),
    );
    assert!(edge.over_tls().await.is_none() && edge.over_uds().await.is_none());
    for (events, backend) in edge.events.iter().zip([Backend::Tls, Backend::Uds]) {
        events
            .wait_for("a refusal", |s| s.rejected(Reason::ConnLimit) == 1)
            .await;
        let peers = events.snapshot().peers;
        assert!(
            matches!(peers, Some((of, 2, 2)) if of == backend),
            "{peers:?}"
        );
    }
    assert_eq!(edge.shared.admitted(), 3);
    // The public transport ends with an open connection: its place is free again.
    edge.public.shutdown(Duration::ZERO).await;
    assert_eq!(edge.shared.admitted(), 2);
    let _third = edge.over_uds().await.unwrap();
    assert!(edge.over_uds().await.is_none());
    drop(second);
    edge.events[1]
        .wait_for("a free place", |s| s.inflight() == 2)
        .await;
    assert!(edge.over_uds().await.is_some());
    edge.private.shutdown(Duration::from_secs(5)).await;
    assert_eq!((edge.shared.admitted(), edge.shared.pending()), (0, 0));
    for events in &edge.events {
        assert_eq!(events.inflight(), 0);
    }
}

/// A handshake of one transport does not hold up the drain of the other.
#[tokio::test]
async fn drain_beside_pending_handshake() {
    let edge = Edge::new(Limits::new()).await;
    let _silent = tokio::net::TcpStream::connect(edge.addr).await.unwrap();
    edge.events[0]
        .wait_for("a handshake", |s| s.accepts() == 1)
        .await;
    assert_eq!(edge.shared.admitted(), 1);
    let report = edge.private.shutdown(Duration::from_secs(5)).await;
    assert!(report.took < Duration::from_secs(4), "{report:?}");
    assert_eq!((report.finished, report.aborted), (0, 0), "{report:?}");
    let report = edge.public.shutdown(Duration::ZERO).await;
    assert_eq!(report.aborted, 1, "{report:?}");
}

#[tokio::test]
async fn dropped_transport_frees_its_places() {
    let mut edge = Edge::new(capped(1)).await;
    let held = edge.over_tls().await.unwrap();
    assert!(edge.over_uds().await.is_none());
    for serving in edge.serving.drain(..1) {
        serving.abort();
        let _ = serving.await;
    }
    edge.public = Arc::clone(&edge.private);
    edge.events[0]
        .wait_for("the end", |s| s.inflight() == 0)
        .await;
    assert_eq!(edge.readiness(), [0.0, 2.0]);
    assert!(edge.over_uds().await.is_some());
    drop(held);
}

#[tokio::test]
async fn reload_keeps_shared_ceilings() {
    let edge = Edge::new(capped(2000)).await;
    let config = |set: fn(&mut Limits)| {
        let mut config = Config::clone(&edge.private.config());
        set(&mut config.limits);
        config
    };
    // Deadlines are own.
    let idle = config(|l| {
        let idle = Deadlines::default().with_idle(Duration::from_secs(7));
        l.set_deadlines(idle).unwrap();
    });
    let report = edge.private.reload(idle).unwrap();
    assert_eq!(report.applied, ["idle_timeout"]);
    assert_eq!(
        edge.public.config().limits.deadlines(),
        Deadlines::default()
    );
    // Caps are not.
    let error = edge.private.reload(config(|l| {
        l.set_max_conns(5).unwrap();
    }));
    let error = error.unwrap_err();
    assert!(matches!(error, ReloadError::Invalid(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("max_conns: is 5 here and 2000"),
        "{error}"
    );
    // The owner changes them for both; then the configuration may repeat them.
    edge.shared.apply(&capped(5)).unwrap();
    for transport in [&edge.public, &edge.private] {
        assert_eq!(transport.config().limits.max_conns(), 5);
    }
    let report = edge.private.reload(config(|_| ())).unwrap();
    assert_eq!(report.applied, Vec::<&str>::new());
    assert_eq!(edge.shared.limits().max_conns(), 5);
}

#[tokio::test]
async fn settings_beside_shared_ceilings() {
    let shared = Limiter::builder().limits(capped(2000)).build().unwrap();
    let other = Transport::builder().limiter(&shared).limits(capped(7));
    let error = other.build().unwrap_err().to_string();
    assert!(error.contains("max_conns: is 7 here and 2000"), "{error}");
    let same = Transport::builder().limiter(&shared).limits(capped(2000));
    assert!(same.build().is_ok());
}

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
