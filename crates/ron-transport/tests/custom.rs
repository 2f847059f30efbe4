//! Custom backends through the facade, under both runtimes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

#[path = "custom/instant.rs"]
mod instant;
#[path = "custom/names.rs"]
mod names;
#[path = "custom/own_loop.rs"]
mod own_loop;
#[path = "custom/stops.rs"]
mod stops;
#[cfg(feature = "tls")]
#[path = "custom/tls.rs"]
mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ron_transport::{
    echo, Backend, CloseReason, Config, Conn, Connection, Dialer, Limits, ListenAddr, PeerAddr,
    ReadyState, Reason, Target, Transport, TransportError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use transport_testkit::{both, MemoryDialer, MemoryIo, MemoryListener, Recorder};

/// A deadline that no test should reach.
const AMPLE: Duration = Duration::from_secs(5);
const VSOCK: Backend = Backend::Custom("vsock");

both! {
    custom_backend_is_served_and_counted
    custom_listener_yields_a_stream
    number_of_peer_has_its_cap
    drain_finishes_and_drops_the_listener
    reload_changes_the_limits
    scheme_and_address_reach_the_dialer
    failing_listener_recovers
}

/// A transport that listens on a pipe in memory and dials it.
struct Served {
    transport: Arc<Transport>,
    recorder: Recorder,
    raw: MemoryDialer,
    serving: JoinHandle<Result<(), TransportError>>,
}

impl Served {
    async fn new(limits: Limits) -> Self {
        // The memory backend reports another backend: the registered name replaces it.
        let (listener, raw) = MemoryListener::bind(Backend::Uds);
        let raw = raw.from_peer(PeerAddr::Other(3));
        let recorder = Recorder::new();
        let builder = Transport::builder()
            .limits(limits)
            .raw_listener("vsock", listener)
            .raw_dialer("vsock", raw.clone());
        let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
        assert_eq!(transport.backend(), VSOCK);
        assert!(!matches!(
            *transport.readiness().borrow(),
            ReadyState::Ready
        ));
        let addr = transport.listen().await.unwrap();
        assert_eq!(addr, ListenAddr::Custom("vsock"));
        assert_eq!(addr.to_string(), "vsock");
        assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
        let again = transport.listen().await.unwrap_err();
        assert!(matches!(again, TransportError::State { .. }), "{again}");
        let serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));
        Self {
            transport,
            recorder,
            raw,
            serving,
        }
    }

    async fn ping(&self) -> Conn {
        let mut conn = self.transport.dial("vsock://3:1234").await.unwrap();
        echoed(&mut conn).await;
        conn
    }
}

async fn echoed(conn: &mut Conn) {
    conn.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    timeout(AMPLE, conn.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"ping");
}

async fn custom_backend_is_served_and_counted() {
    let served = Served::new(Limits::new()).await;
    let conn = served.ping().await;
    assert_eq!(conn.info().backend, VSOCK);
    let seen = served.transport.connections();
    assert_eq!(seen.len(), 2);
    drop(conn);
    served
        .recorder
        .wait_for("both ends closed", |s| s.closes(CloseReason::Eof) == 2)
        .await;
    for direction in [ron_transport::Direction::In, ron_transport::Direction::Out] {
        assert_eq!(served.recorder.bytes(VSOCK, direction), 8);
        assert_eq!(served.recorder.bytes(Backend::Uds, direction), 0);
    }
    served.transport.shutdown(AMPLE).await;
    served.serving.await.unwrap().unwrap();
}

async fn custom_listener_yields_a_stream() {
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let raw = raw.from_peer(PeerAddr::Other(7));
    let builder = Transport::builder().raw_listener("pipe", listener);
    let transport = Arc::new(builder.build().unwrap());
    transport.listen().await.unwrap();
    let mut incoming = transport.incoming().unwrap();
    let peer = raw.dial(&Target::host("any", 1).unwrap()).await.unwrap();
    let conn = timeout(AMPLE, incoming.next()).await.unwrap().unwrap();
    assert_eq!(conn.info().backend, Backend::Custom("pipe"));
    assert_eq!(conn.info().peer, Some(PeerAddr::Other(7)));
    drop((conn, peer));
    let draining = Arc::clone(&transport);
    let draining = tokio::spawn(async move { draining.shutdown(AMPLE).await });
    assert!(timeout(AMPLE, incoming.next()).await.unwrap().is_none());
    assert_eq!(draining.await.unwrap().aborted, 0);
}

async fn number_of_peer_has_its_cap() {
    let limits = Limits::new().with_peer_max_conns(2).unwrap();
    let served = Served::new(limits).await;
    let kept = [served.ping().await, served.ping().await];
    let mut third = served.transport.dial("vsock://3:1").await.unwrap();
    assert!(matches!(third.read(&mut [0]).await, Ok(0) | Err(_)));
    assert_eq!(served.recorder.rejected(Reason::PeerLimit), 1);
    let other = served.raw.clone().from_peer(PeerAddr::Other(4));
    let mut other = other.dial(&Target::host("any", 1).unwrap()).await.unwrap();
    other.io.write_all(b"x").await.unwrap();
    assert_eq!(other.io.read_u8().await.unwrap(), b'x');
    drop(kept);
}

async fn drain_finishes_and_drops_the_listener() {
    let served = Served::new(Limits::new()).await;
    let mut conn = served.ping().await;
    let draining = Arc::clone(&served.transport);
    let draining = tokio::spawn(async move { draining.shutdown(AMPLE).await });
    timeout(AMPLE, served.serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    // The listener is gone: its owner refuses further clients.
    let refused = served.raw.dial(&Target::host("any", 1).unwrap()).await;
    assert!(refused.is_err());
    echoed(&mut conn).await;
    drop(conn);
    let report = draining.await.unwrap();
    assert_eq!((report.finished, report.aborted), (2, 0), "{report:?}");
}

async fn reload_changes_the_limits() {
    let served = Served::new(Limits::new()).await;
    let _kept = served.ping().await;
    let load = |text: &str| {
        let loader = Config::loader().toml_str(text, "test.toml");
        loader.load().unwrap().into_settings()
    };
    let next = load("[transport]\nmax_conns = 1");
    let report = served.transport.reload(next).unwrap();
    assert_eq!(report.applied, ["max_conns"]);
    let mut refused = served.transport.dial("vsock://3:1").await.unwrap();
    assert!(matches!(refused.read(&mut [0]).await, Ok(0) | Err(_)));
    assert_eq!(served.recorder.rejected(Reason::ConnLimit), 1);
    let next = load("[transport]\nbind_addr = \"127.0.0.1:1\"");
    let error = served.transport.reload(next).unwrap_err().to_string();
    assert!(error.contains("bind_addr"), "{error}");
}

/// Records its targets.
struct RecordTargets(Arc<Mutex<Vec<Target>>>);

impl Dialer for RecordTargets {
    type Io = MemoryIo;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn dial(&self, to: &Target) -> Result<Connection<MemoryIo>, TransportError> {
        self.0.lock().unwrap().push(to.clone());
        Err(TransportError::Closed)
    }
}

async fn scheme_and_address_reach_the_dialer() {
    let seen = Arc::<Mutex<Vec<Target>>>::default();
    let recorder = Recorder::new();
    let transport = Transport::builder()
        .raw_dialer("vsock", RecordTargets(Arc::clone(&seen)))
        .raw_dialer("serial", RecordTargets(Arc::clone(&seen)))
        .observer(recorder.observer())
        .build()
        .unwrap();
    assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
    for to in ["vsock://3:1234", "serial:///dev/ttyS0?baud=9600"] {
        transport.prepare_for(to).await.unwrap();
        transport.dial(to).await.unwrap_err();
    }
    let wanted = [
        Target::custom("vsock", "3:1234").unwrap(),
        Target::custom("serial", "/dev/ttyS0?baud=9600").unwrap(),
    ];
    assert_eq!(*seen.lock().unwrap(), wanted);
    assert_eq!(recorder.snapshot().dials(false), 2);
    let unknown = [
        transport.dial("udp://a:1").await.map(drop),
        transport.prepare_for("udp://a:1").await,
        transport.dialer().dial("tls+udp://a:1").await.map(drop),
    ];
    for result in unknown {
        let error = result.unwrap_err();
        assert!(matches!(error, TransportError::Config { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("scheme \"udp\" has no dialer"), "{text}");
        assert!(text.contains("tcp, "), "{text}");
        assert!(text.contains("vsock"), "{text}");
    }
    assert_eq!(seen.lock().unwrap().len(), 2);
}

async fn failing_listener_recovers() {
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let listener = instant::FailsFirst::new(3, listener);
    let builder = Transport::builder().raw_listener("flaky", listener);
    let transport = Arc::new(builder.build().unwrap());
    transport.listen().await.unwrap();
    let _serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));
    let mut peer = raw.dial(&Target::host("any", 1).unwrap()).await.unwrap();
    peer.io.write_all(b"x").await.unwrap();
    let answer = timeout(AMPLE, peer.io.read_u8()).await.unwrap();
    assert_eq!(answer.unwrap(), b'x');
    transport.shutdown(AMPLE).await;
}
