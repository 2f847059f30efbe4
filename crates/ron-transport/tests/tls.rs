//! TLS through the facade: listen, dial, resume, rotate, refuse.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

#[path = "tls/rules.rs"]
mod rules;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{
    echo, Config, Conn, Endpoint, PeerIdentity, ReadyReason, ReadyState, ReloadError, Transport,
};
use tokio::io::{copy_bidirectional, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use transport_core::TaskKind;
use transport_testkit::pki::rcgen::KeyPair;
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::{Recorder, Snapshot};

/// An authority and its files.
struct Pki {
    dir: PkiDir,
    authority: Authority,
}

impl Pki {
    fn new() -> Self {
        let pki = Self {
            dir: PkiDir::new(),
            authority: Authority::new(),
        };
        pki.write("ca.pem", &pki.authority.pem());
        pki.issue("server", &["localhost", "first.example"]);
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path(name)
    }

    fn write(&self, name: &str, text: &str) {
        self.dir.write_private(name, text);
    }

    /// Writes `NAME.pem` and `NAME.key` for these names.
    fn issue(&self, name: &str, sans: &[&str]) {
        self.dir.write_pair(name, &self.authority.leaf(sans));
    }

    fn config(&self, settings: &[(&str, &str)]) -> Config {
        let mut loader = Config::loader()
            .flag("transport.backend", "tls")
            .flag("transport.bind_addr", "127.0.0.1:0")
            .flag("transport.tls.cert_path", self.path("server.pem"))
            .flag("transport.tls.key_path", self.path("server.key"))
            .flag("transport.tls_client.trust_store", "path")
            .flag("transport.tls_client.ca_bundle_path", self.path("ca.pem"));
        for (key, value) in settings {
            loader = loader.flag(format!("transport.{key}"), *value);
        }
        loader.load().unwrap().into_settings()
    }

    async fn serving(&self, settings: &[(&str, &str)]) -> Served {
        let recorder = Recorder::new();
        let builder = Transport::builder().config(self.config(settings));
        let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
        let addr = transport.listen().await.unwrap().socket_addr().unwrap();
        let served = Arc::clone(&transport);
        tokio::spawn(async move {
            let handler = |conn: Conn| async move { drop(echo(conn).await) };
            served.serve(handler).await
        });
        let to = format!("tls://localhost:{}", addr.port()).parse().unwrap();
        Served {
            transport,
            addr,
            to,
            recorder,
        }
    }
}

struct Served {
    transport: Arc<Transport>,
    addr: SocketAddr,
    to: Endpoint,
    recorder: Recorder,
}

impl Served {
    async fn dial(&self) -> Conn {
        self.transport.dial(&self.to).await.unwrap()
    }
}

async fn echoes(conn: &mut Conn) -> bool {
    let sent = conn.write_all(b"x").await.is_ok() && conn.flush().await.is_ok();
    sent && conn.read_u8().await.is_ok_and(|byte| byte == b'x')
}

fn sans(conn: &Conn) -> Vec<String> {
    match &conn.info().identity {
        PeerIdentity::Verified(identity) => identity.sans.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handshake_resumption_and_connection_info() {
    let pki = Pki::new();
    let settings = [
        ("tls.alpn", "oap/1"),
        ("tls_client.alpn", "oap/1"),
        ("pq.mode", "hybrid"),
    ];
    let served = pki.serving(&settings).await;
    let mut first = served.dial().await;
    assert!(echoes(&mut first).await);
    let info = first.info();
    assert_eq!(info.alpn.as_deref(), Some(&b"oap/1"[..]));
    assert_eq!(info.kx.unwrap().as_str(), "x25519mlkem768");
    assert!(!info.resumed && info.steps.handshake().is_some());
    assert_eq!(sans(&first), ["localhost", "first.example"]);
    let mut second = served.dial().await;
    assert!(echoes(&mut second).await && second.info().resumed);
    let taken = served.recorder.snapshot();
    assert_eq!(taken.all_rejected(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn insecure_key_at_start_is_not_ready() {
    let pki = Pki::new();
    let key = pki.path("server.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let builder = Transport::builder().config(pki.config(&[]));
    let transport = builder
        .observer(Recorder::new().observer())
        .build()
        .unwrap();
    let error = transport.listen().await.unwrap_err().to_string();
    assert!(error.contains("insecure permissions"), "{error}");
    assert!(!error.contains("server.key"), "{error}");
    let reason = ReadyReason::Tls;
    assert_eq!(
        *transport.readiness().borrow(),
        ReadyState::NotReady { reason }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_of_good_and_bad_files() {
    let pki = Pki::new();
    let served = pki.serving(&[]).await;
    let mut before = served.dial().await;
    pki.issue("server", &["localhost", "second.example"]);
    served.transport.reload(pki.config(&[])).unwrap();
    assert_eq!(sans(&served.dial().await), ["localhost", "second.example"]);

    // A key that does not match: no setting of the reload applies.
    pki.write("server.key", &KeyPair::generate().unwrap().serialize_pem());
    for more in [("max_conns", "7"), ("tls.alpn", "h2")] {
        let error = served.transport.reload(pki.config(&[more])).unwrap_err();
        assert!(matches!(&error, ReloadError::Files(why) if why.contains("tls key read failed")));
    }
    assert_eq!(served.transport.config().limits.max_conns(), 1024);
    assert_eq!(sans(&served.dial().await), ["localhost", "second.example"]);
    assert!(echoes(&mut before).await);

    pki.issue("server", &["localhost", "third.example"]);
    let changes = [("tls.alpn", "h2"), ("tls_client.alpn", "h2")];
    let report = served.transport.reload(pki.config(&changes)).unwrap();
    assert_eq!(report.applied, ["tls.alpn", "tls_client.alpn"]);
    let after = served.dial().await;
    assert_eq!(after.info().alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(sans(&after), ["localhost", "third.example"]);
    let error = served
        .transport
        .reload(pki.config(&[("pq.mode", "hybrid")]));
    let keys = vec!["tls.alpn", "tls_client.alpn", "pq.mode"];
    assert!(
        matches!(error, Err(ReloadError::NeedsRestart { keys }) if keys == ["pq.mode"]),
        "{keys:?}"
    );
    assert_eq!(
        served.recorder.snapshot().reloads,
        [true, false, false, true, false]
    );
}

/// The server's part of a reload needs the client's part.
///
/// It does not apply if the client's part fails.
#[tokio::test(flavor = "multi_thread")]
async fn reload_with_bad_last_file_changes_nothing() {
    let pki = Pki::new();
    let both = [("tls.alpn", "one"), ("tls_client.alpn", "one,two")];
    let served = pki.serving(&both).await;
    let mut before = served.dial().await;
    assert!(echoes(&mut before).await);
    pki.write("ca.pem", "no certificate");
    let next = [("tls.alpn", "two"), ("tls_client.alpn", "one,two")];
    let error = served.transport.reload(pki.config(&next)).unwrap_err();
    assert!(matches!(&error, ReloadError::Files(_)), "{error:?}");
    let after = served.dial().await;
    assert_eq!(after.info().alpn.as_deref(), Some(&b"one"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_rotations_under_load() {
    let pki = Pki::new();
    let served = Arc::new(pki.serving(&[("per_peer.max_conns", "0")]).await);
    let (stop, dialed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(served.dial().await);
    }
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (served, stop, dialed) = (Arc::clone(&served), Arc::clone(&stop), Arc::clone(&dialed));
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert!(echoes(&mut served.dial().await).await);
                dialed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 0..100 {
        let name = format!("n{round}.example");
        pki.issue("server", &["localhost", &name]);
        served.transport.reload(pki.config(&[])).unwrap();
        let mut fresh = served.dial().await;
        assert_eq!(sans(&fresh), ["localhost", &name]);
        assert!(echoes(&mut fresh).await);
        let oldest = round % held.len();
        assert!(
            echoes(&mut held[oldest]).await,
            "a connection from before the rotation"
        );
        held[oldest] = fresh;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    assert!(dialed.load(Ordering::Relaxed) > 100);
    let taken = served.recorder.snapshot();
    assert_eq!(taken.all_rejected(), 0);
    // The file watch may have found a certificate before the reload.
    assert!(taken.reloads.len() >= 100 && taken.reloads.iter().all(|ok| *ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn client_admitted_by_its_name() {
    let pki = Pki::new();
    pki.issue("client", &["client.example"]);
    let ca = pki.path("ca.pem");
    let ca = ca.to_str().unwrap();
    let (cert, key) = (pki.path("client.pem"), pki.path("client.key"));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    for (allowed, in_) in [("client.example", true), ("other.example", false)] {
        let settings = [
            ("tls.client_auth", "required"),
            ("tls.client_ca_path", ca),
            ("tls.allow_sans", allowed),
            ("tls_client.cert_path", cert),
            ("tls_client.key_path", key),
        ];
        let served = pki.serving(&settings).await;
        // In TLS 1.3 the client's handshake ends before the server refuses its certificate.
        let let_in = match served.transport.dial(&served.to).await {
            Ok(mut conn) => echoes(&mut conn).await,
            Err(_) => false,
        };
        assert_eq!(let_in, in_, "{allowed}");
        let rejects = u64::from(!in_);
        let refused =
            |s: &transport_testkit::Snapshot| s.rejected(ron_transport::Reason::Tls) == rejects;
        served.recorder.wait_for("the refusal", refused).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_store_read_at_first_use() {
    let pki = Pki::new();
    fs::remove_file(pki.path("ca.pem")).unwrap();
    let served = pki.serving(&[]).await;
    let error = served
        .transport
        .prepare(served.to.scheme())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("tls_client.ca_bundle_path"),
        "{error}"
    );
    assert_eq!(
        served.transport.dial(&served.to).await.unwrap_err().kind(),
        "tls"
    );
    pki.write("ca.pem", &pki.authority.pem());
    served.transport.prepare(served.to.scheme()).await.unwrap();
    assert!(echoes(&mut served.dial().await).await);
    served.transport.shutdown(Duration::from_secs(5)).await;
}

/// A handshake that precedes the drain completes.
///
/// Its connection is served.
#[tokio::test(flavor = "multi_thread")]
async fn pending_handshake_completes_during_drain() {
    let pki = Pki::new();
    let (served, client) = (pki.serving(&[]).await, pki.serving(&[]).await);
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("tls://localhost:{}", between.local_addr().unwrap().port());
    let (to, behind) = (to.parse::<Endpoint>().unwrap(), served.addr);
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    tokio::spawn(async move {
        let (mut near, _) = between.accept().await.unwrap();
        let mut far = TcpStream::connect(behind).await.unwrap();
        told.notified().await;
        copy_bidirectional(&mut near, &mut far).await
    });
    let dialing = Arc::clone(&client.transport);
    let dialing = tokio::spawn(async move { dialing.dial(&to).await });
    let begun = |s: &Snapshot| s.tasks_spawned(TaskKind::Handshake) == 1;
    served.recorder.wait_for("the handshake", begun).await;
    let mut readiness = served.transport.readiness();
    let draining = Arc::clone(&served.transport);
    let draining = tokio::spawn(async move { draining.shutdown(Duration::from_secs(20)).await });
    let reason = ReadyReason::Draining;
    let drains = |state: &ReadyState| *state == ReadyState::NotReady { reason };
    readiness.wait_for(drains).await.unwrap();
    go_on.notify_one();
    let mut conn = dialing.await.unwrap().unwrap();
    assert!(echoes(&mut conn).await);
    drop(conn);
    let report = draining.await.unwrap();
    assert_eq!(
        (report.finished + report.closed_idle, report.aborted),
        (1, 0)
    );
    assert_eq!(served.recorder.tasks_aborted(TaskKind::Handshake), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peer_does_not_delay_drain() {
    let pki = Pki::new();
    let served = pki.serving(&[("handshake_timeout", "60s")]).await;
    let mut silent = TcpStream::connect(served.addr).await.unwrap();
    let begun = |s: &Snapshot| s.tasks_spawned(TaskKind::Handshake) == 1;
    served.recorder.wait_for("the handshake", begun).await;
    let report = served.transport.shutdown(Duration::from_secs(60)).await;
    assert!(report.took < Duration::from_secs(20), "{:?}", report.took);
    assert_eq!(
        (report.finished + report.closed_idle, report.aborted),
        (1, 0)
    );
    assert_eq!(served.recorder.tasks_aborted(TaskKind::Handshake), 1);
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}
