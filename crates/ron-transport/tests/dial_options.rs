//! Options of single dials: ALPN, server name, client certificate, deadlines.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

#[path = "memory_tls/pki.rs"]
mod pki;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ron_transport::tls::{
    ClientAuth, ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig, TlsMaterial,
};
use ron_transport::{
    CloseReason, Conn, Deadlines, DialOptions, Limits, Op, PeerIdentity, Transport, TransportError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::{Recorder, Snapshot};

use pki::MemoryPki;

struct Served {
    transport: Arc<Transport>,
    recorder: Recorder,
    port: u16,
}

/// Answers each connection with the names of its client, and the protocol.
async fn who(mut conn: Conn) {
    let names = match &conn.info().identity {
        PeerIdentity::Verified(identity) => identity.sans.join(","),
        _ => "anonymous".to_owned(),
    };
    let alpn = conn.info().alpn.as_deref().unwrap_or(b"none").to_vec();
    let alpn = String::from_utf8(alpn).unwrap();
    let answer = format!("{names} {alpn}");
    let _ = conn.write_all(answer.as_bytes()).await;
    let _ = conn.shutdown().await;
}

/// A server for `server.example` and a client, in one transport.
async fn serving(pki: &MemoryPki, idle: Duration) -> Served {
    let mut config = TlsConfig::default();
    config.set_client_auth(ClientAuth::Optional);
    config
        .set_alpn(vec!["one".into(), "two".into(), "three".into()])
        .unwrap();
    let (chain, key) = pki.issue("server.example");
    let material = TlsMaterial::new().with_pair(chain, key);
    let material = material.with_authorities([pki.root()]);
    let server = ServerTls::from_material(material, &config, PqMode::Off).unwrap();
    let recorder = Recorder::new();
    let deadlines = Deadlines::default().with_dial_idle(Some(idle));
    let builder = Transport::builder()
        .bind_addr("127.0.0.1:0".parse().unwrap())
        .limits(Limits::new().with_deadlines(deadlines).unwrap())
        .server_tls(server)
        .client_tls(trusting(pki, &["one"]))
        .observer(recorder.observer());
    let transport = Arc::new(builder.build().unwrap());
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    tokio::spawn(Arc::clone(&transport).serve_owned(who));
    Served {
        transport,
        recorder,
        port: addr.port(),
    }
}

fn trusting(pki: &MemoryPki, alpn: &[&str]) -> ClientTls {
    let mut config = TlsClientConfig::default();
    let alpn = alpn.iter().map(|name| (*name).to_owned()).collect();
    config.set_alpn(alpn).unwrap();
    let material = TlsMaterial::new().with_authorities([pki.root()]);
    ClientTls::from_material(material, &config, PqMode::Off).unwrap()
}

impl Served {
    async fn dial(&self, options: &DialOptions) -> Result<Conn, TransportError> {
        let to = format!("tls://127.0.0.1:{}", self.port);
        self.transport.dial_with(to, options).await
    }

    /// Returns the answer of the server, and whether the session was resumed.
    async fn ask(&self, options: &DialOptions) -> (String, bool) {
        let mut conn = self.dial(options).await.unwrap();
        let mut answer = String::new();
        conn.read_to_string(&mut answer).await.unwrap();
        let alpn = conn.info().alpn.as_deref().unwrap_or(b"none");
        assert!(answer.as_bytes().ends_with(alpn), "{answer}");
        (answer, conn.info().resumed)
    }
}

const IDLE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn options_replace_configuration_of_one_dial() {
    let pki = MemoryPki::new();
    let served = serving(&pki, IDLE).await;
    let named = DialOptions::new().with_server_name("server.example");
    let error = served.dial(&DialOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), "tls", "the certificate has no address");
    assert_eq!(served.ask(&named).await.0, "anonymous one");
    let two = named.clone().with_alpn(["two", "one"]);
    assert_eq!(
        served.ask(&two).await.0,
        "anonymous one",
        "the server prefers"
    );
    let two = named.clone().with_alpn(["two"]);
    assert_eq!(served.ask(&two).await.0, "anonymous two");
    let none = named.clone().with_alpn([] as [&str; 0]);
    assert_eq!(served.ask(&none).await.0, "anonymous none");
    let own = named.clone().with_client_tls(trusting(&pki, &["three"]));
    assert_eq!(served.ask(&own).await.0, "anonymous three");
    let both = own.with_alpn(["two"]);
    assert_eq!(served.ask(&both).await.0, "anonymous two");
    let stranger = named
        .clone()
        .with_client_tls(trusting(&MemoryPki::named("stranger"), &[]));
    let error = served.dial(&stranger).await.unwrap_err();
    assert_eq!(
        error.tls_kind().map(ron_transport::TlsErrorKind::as_str),
        Some("unknown_ca")
    );
    assert_eq!(served.ask(&named).await.0, "anonymous one", "one dial only");
}

/// A ticket never carries the identity of another dial.
#[tokio::test(flavor = "multi_thread")]
async fn identity_of_a_dial_is_never_resumed() {
    let pki = MemoryPki::new();
    let served = serving(&pki, IDLE).await;
    let named = DialOptions::new().with_server_name("server.example");
    served.ask(&named).await;
    let resumed = served.ask(&named).await;
    assert_eq!(resumed, ("anonymous one".to_owned(), true));
    for name in ["a.example", "b.example", "a.example"] {
        let own = named.clone().with_client_identity(pki.identity(name));
        let answer = served.ask(&own).await;
        assert_eq!(answer, (format!("{name} one"), false));
    }
    let resumed = served.ask(&named).await;
    assert_eq!(resumed, ("anonymous one".to_owned(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn useless_and_invalid_options_are_config_errors() {
    let pki = MemoryPki::new();
    let served = serving(&pki, IDLE).await;
    let tcp = format!("tcp://127.0.0.1:{}", served.port);
    let options = DialOptions::new();
    let classical = options.clone().with_client_tls(trusting(&pki, &[]));
    for (to, options) in [
        (tcp.clone(), options.clone().with_alpn(["h2"])),
        (tcp.clone(), options.clone().with_server_name("x.example")),
        (
            tcp.clone(),
            options.clone().with_client_identity(pki.identity("x")),
        ),
        (tcp.clone(), classical.clone()),
        ("unix:///run/x".to_owned(), classical.clone()),
        (tcp.clone(), options.clone().with_timeout(Duration::ZERO)),
        (
            tcp.clone(),
            options.clone().with_idle_timeout(Duration::from_millis(5)),
        ),
        (
            tcp.replace("tcp", "tls"),
            options.clone().with_server_name("a b"),
        ),
        (tcp.replace("tcp", "tls"), options.with_alpn([""])),
    ] {
        let error = served.transport.dial_with(&to, &options).await.unwrap_err();
        assert_eq!(error.kind(), "config", "{to}: {error}");
    }
    let taken = served.recorder.snapshot();
    assert_eq!((taken.accepts(), taken.dials(false)), (0, 0), "no socket");

    let mut config = ron_transport::Config::default();
    config.pq.set_mode(PqMode::Required);
    let observer = Recorder::new().observer();
    let builder = Transport::builder().config(config).observer(observer);
    let required = builder.build().unwrap();
    let to = tcp.replace("tcp", "tls");
    let error = required.dial_with(&to, &classical).await.unwrap_err();
    assert!(error.to_string().contains("pq.mode"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dial_deadline_covers_the_handshake() {
    let pki = MemoryPki::new();
    let served = serving(&pki, IDLE).await;
    // A server that never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("tls://{}", silent.local_addr().unwrap());
    let limit = Duration::from_millis(200);
    let options = DialOptions::new().with_timeout(limit);
    let started = Instant::now();
    let error = served.transport.dial_with(&to, &options).await.unwrap_err();
    let took = started.elapsed();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Dial }),
        "{error}"
    );
    assert!(took >= limit && took < limit * 10, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_timeout_of_a_dial_survives_reloads() {
    let pki = MemoryPki::new();
    let idle = Duration::from_secs(1);
    let served = serving(&pki, idle).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = silent.local_addr().unwrap();
    let off = DialOptions::new().with_idle_timeout(Duration::ZERO);
    let mut unlimited = served.transport.dial_with(to, &off).await.unwrap();
    let mut limited = served.transport.dial(to).await.unwrap();
    let mut config = (*served.transport.config()).clone();
    let deadlines = config.limits.deadlines().with_idle(Duration::from_secs(2));
    config.limits.set_deadlines(deadlines).unwrap();
    let report = served.transport.reload(config).unwrap();
    assert_eq!(report.applied, ["idle_timeout"]);
    let started = Instant::now();
    let error = limited.read(&mut [0; 1]).await.unwrap_err();
    let timeout = matches!(
        TransportError::from(error),
        TransportError::Timeout { op: Op::Idle }
    );
    assert!(timeout && started.elapsed() < idle * 10);
    let ended = |s: &Snapshot| s.closes(CloseReason::Idle) == 1;
    served.recorder.wait_for("the idle timeout", ended).await;
    let mut byte = [0; 1];
    let reading = tokio::time::timeout(3 * idle, unlimited.read(&mut byte));
    reading.await.unwrap_err();
    assert!(!unlimited.control().is_ended());
}

/// Dials one address, whatever the target says.
struct Fixed(ron_transport::Target);

impl ron_transport::Dialer for Fixed {
    type Io = <ron_transport::tcp::raw::TcpDialer as ron_transport::Dialer>::Io;

    fn backend(&self) -> ron_transport::Backend {
        ron_transport::Backend::Tcp
    }

    async fn dial(
        &self,
        _: &ron_transport::Target,
    ) -> Result<ron_transport::Connection<Self::Io>, TransportError> {
        let below = ron_transport::tcp::raw::TcpDialer::default();
        ron_transport::Dialer::dial(&below, &self.0).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_apply_to_own_backends() {
    let pki = MemoryPki::new();
    let served = serving(&pki, IDLE).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = |port| ron_transport::Target::host("127.0.0.1", port).unwrap();
    let client = Transport::builder()
        .raw_dialer("fixed", Fixed(target(served.port)))
        .raw_dialer("silent", Fixed(target(silent.local_addr().unwrap().port())))
        .observer(Recorder::new().observer())
        .build()
        .unwrap();
    let own = DialOptions::new().with_client_tls(trusting(&pki, &["two"]));
    let own = own.with_server_name("server.example");
    let own = own.with_client_identity(pki.identity("a.example"));
    let mut conn = client.dial_with("tls+fixed://any", &own).await.unwrap();
    let mut answer = String::new();
    conn.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "a.example two");
    let error = client.dial_with("fixed://any", &own).await.unwrap_err();
    assert_eq!(error.kind(), "config", "{error}");
    let short = own.with_timeout(Duration::from_millis(200));
    let error = client.dial_with("tls+silent://any", &short).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Dial }),
        "{error}"
    );
}
