//! TLS from memory: rotation, revocation, precedence over files.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod pki;
mod precedence;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use ron_transport::tls::{
    ClientAuth, ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig, TlsMaterial,
};
use ron_transport::{echo, Conn, PeerIdentity, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use transport_testkit::Recorder;

use pki::{pair, MemoryPki};

pub(crate) struct Served {
    pub(crate) transport: Arc<Transport>,
    pub(crate) recorder: Recorder,
    pub(crate) to: String,
}

impl Served {
    pub(crate) async fn start(server: ServerTls, client: ClientTls) -> Self {
        let recorder = Recorder::new();
        let builder = Transport::builder()
            .bind_addr("127.0.0.1:0".parse().unwrap())
            .server_tls(server)
            .client_tls(client)
            .observer(recorder.observer());
        let transport = Arc::new(builder.build().unwrap());
        Self::serve(transport, recorder).await
    }

    pub(crate) async fn serve(transport: Arc<Transport>, recorder: Recorder) -> Self {
        let addr = transport.listen().await.unwrap().socket_addr().unwrap();
        let handler = |conn: Conn| async move { drop(echo(conn).await) };
        tokio::spawn(Arc::clone(&transport).serve_owned(handler));
        Self {
            transport,
            recorder,
            to: format!("tls://localhost:{}", addr.port()),
        }
    }

    /// Dials; `None` if either side refuses.
    pub(crate) async fn try_dial(&self) -> Option<Conn> {
        let mut conn = self.transport.dial(&self.to).await.ok()?;
        // In TLS 1.3 the client's handshake ends before the server has judged its certificate.
        echoes(&mut conn).await.then_some(conn)
    }
}

pub(crate) async fn echoes(conn: &mut Conn) -> bool {
    let sent = conn.write_all(b"x").await.is_ok() && conn.flush().await.is_ok();
    sent && conn.read_u8().await.is_ok_and(|byte| byte == b'x')
}

pub(crate) fn sans(conn: &Conn) -> Vec<String> {
    match &conn.info().identity {
        PeerIdentity::Verified(identity) => identity.sans.clone(),
        other => panic!("{other:?}"),
    }
}

/// A server that requires certificates of these authorities.
fn server(pki: &MemoryPki, names: &[&str], clients: &[&MemoryPki]) -> ServerTls {
    let mut config = TlsConfig::default();
    config.set_client_auth(ClientAuth::Required);
    let (chain, key) = pair(&pki.authority.leaf(names));
    let material = TlsMaterial::new()
        .with_pair(chain, key)
        .with_authorities(clients.iter().map(|pki| pki.root()));
    ServerTls::from_material(material, &config, PqMode::Off).unwrap()
}

/// A client with a certificate of `own`, which trusts `servers`.
fn client(own: &MemoryPki, servers: &[&MemoryPki]) -> ClientTls {
    let (chain, key) = own.issue("client.example");
    let material = TlsMaterial::new()
        .with_pair(chain, key)
        .with_authorities(servers.iter().map(|pki| pki.root()));
    ClientTls::from_material(material, &TlsClientConfig::default(), PqMode::Off).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_rotations_from_memory_under_load() {
    let pki = MemoryPki::new();
    let first = server(&pki, &["localhost"], &[&pki]);
    let served = Arc::new(Served::start(first, client(&pki, &[&pki])).await);
    let stop = Arc::new(AtomicBool::new(false));
    let dialed = Arc::new(AtomicU64::new(0));
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(served.try_dial().await.unwrap());
    }
    let mut load = JoinSet::new();
    for _ in 0..2 {
        let (served, stop, dialed) = (Arc::clone(&served), Arc::clone(&stop), Arc::clone(&dialed));
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert!(served.try_dial().await.is_some());
                dialed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 0..100 {
        let name = format!("n{round}.example");
        let transport = &served.transport;
        let next = server(&pki, &["localhost", &name], &[&pki]);
        transport.replace_server_tls(next).unwrap();
        if round % 10 == 0 {
            transport.replace_client_tls(client(&pki, &[&pki])).unwrap();
        }
        let fresh = served.try_dial().await.unwrap();
        assert_eq!(sans(&fresh), ["localhost", &name], "at once");
        let oldest = round % held.len();
        assert!(echoes(&mut held[oldest]).await, "an open connection stays");
        held[oldest] = fresh;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    assert!(dialed.load(Ordering::Relaxed) > 0);
    let taken = served.recorder.snapshot();
    assert_eq!(taken.all_rejected(), 0);
    assert_eq!(taken.reloads, [true; 110]);
}

/// The authority is removed at the server, then at the client.
///
/// No earlier session resumes.
#[tokio::test(flavor = "multi_thread")]
async fn removed_authority_applies_at_once() {
    let (old, new) = (MemoryPki::new(), MemoryPki::new());
    let start = server(&old, &["localhost"], &[&old]);
    let served = Served::start(start, client(&old, &[&old, &new])).await;
    let mut before = served.try_dial().await.unwrap();
    let resumed = served.try_dial().await.unwrap();
    assert!(
        resumed.info().resumed,
        "sessions resume without a replacement"
    );

    let transport = &served.transport;
    let strict = server(&old, &["localhost"], &[&new]);
    transport.replace_server_tls(strict).unwrap();
    assert!(
        served.try_dial().await.is_none(),
        "its certificate is from the removed authority"
    );
    assert!(echoes(&mut before).await, "an open connection stays");
    transport.replace_client_tls(client(&new, &[&old])).unwrap();
    let after = served.try_dial().await.unwrap();
    assert!(!after.info().resumed);
    assert!(served.try_dial().await.unwrap().info().resumed);

    transport.replace_client_tls(client(&new, &[&new])).unwrap();
    assert!(
        served.try_dial().await.is_none(),
        "the server's authority is removed"
    );
    let moved = server(&new, &["localhost"], &[&new]);
    transport.replace_server_tls(moved).unwrap();
    assert!(!served.try_dial().await.unwrap().info().resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_metric_follows_the_certificate() {
    let pki = MemoryPki::new();
    let dated = |year| {
        let algorithm = &transport_testkit::pki::rcgen::PKCS_ECDSA_P256_SHA256;
        let leaf = pki
            .authority
            .leaf_with(&["localhost"], algorithm, |params| {
                params.not_after = transport_testkit::pki::rcgen::date_time_ymd(year, 1, 1);
            });
        let (chain, key) = pair(&leaf);
        ServerTls::from_pair(chain, key, &TlsConfig::default(), PqMode::Off).unwrap()
    };
    let start = dated(2100);
    let first = start.not_after();
    let served = Served::start(start, client(&pki, &[&pki])).await;
    let expiry = || served.recorder.snapshot().certificate_expiry;
    assert_eq!(expiry(), first);
    let next = dated(2200);
    let second = next.not_after();
    assert!(second > first);
    served.transport.replace_server_tls(next).unwrap();
    assert_eq!(expiry(), second);
    let ready = *served.transport.readiness().borrow();
    assert_eq!(ready, ron_transport::ReadyState::Ready);
    // The expiry of a rustls configuration is unknown, and not that of the one before.
    let rustls = ServerTls::from_rustls(Arc::new(rustls_server(&pki)));
    served.transport.replace_server_tls(rustls).unwrap();
    assert_eq!(expiry(), Some(std::time::SystemTime::UNIX_EPOCH));
    assert!(served.try_dial().await.is_some());
}

fn rustls_server(pki: &MemoryPki) -> ron_transport::tls::rustls::ServerConfig {
    use ron_transport::tls::rustls::{crypto::aws_lc_rs::default_provider, ServerConfig};
    let (chain, key) = pki.issue("localhost");
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn client_from_rustls_dials() {
    use ron_transport::tls::rustls::{crypto::aws_lc_rs::default_provider, ClientConfig};
    let pki = MemoryPki::new();
    let mut roots = ron_transport::tls::rustls::RootCertStore::empty();
    roots.add(pki.root()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let own = ClientTls::from_rustls(Arc::new(config));
    assert_eq!(own.pq_mode(), PqMode::Hybrid);
    let server = ServerTls::from_rustls(Arc::new(rustls_server(&pki)));
    let served = Served::start(server, own).await;
    let conn = served.try_dial().await.unwrap();
    assert_eq!(sans(&conn), ["localhost"]);
    let other = served.to.replace("localhost", "127.0.0.1");
    let error = served.transport.dial(&other).await.unwrap_err();
    assert_eq!(
        error.tls_kind().map(ron_transport::TlsErrorKind::as_str),
        Some("wrong_name")
    );
    // Its own session store resumes.
    assert!(served.try_dial().await.unwrap().info().resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_material_refused_by_constructor() {
    let pki = MemoryPki::new();
    let (chain, _) = pki.issue("localhost");
    let (_, other_key) = pki.issue("localhost");
    let config = TlsConfig::default();
    let error = ServerTls::from_pair(chain, other_key, &config, PqMode::Off).unwrap_err();
    assert!(error.to_string().contains("does not belong"), "{error}");
    let empty = ServerTls::from_material(TlsMaterial::new(), &config, PqMode::Off);
    assert_eq!(empty.unwrap_err().kind(), "tls");
    let garbage = TlsMaterial::new().with_authorities([vec![1, 2, 3].into()]);
    let client = ClientTls::from_material(garbage, &TlsClientConfig::default(), PqMode::Off);
    assert!(client
        .unwrap_err()
        .to_string()
        .contains("authorities from memory"));
    // Client certificates without authorities need a file.
    let mut config = TlsConfig::default();
    config.set_client_auth(ClientAuth::Required);
    let (chain, key) = pki.issue("localhost");
    let error = ServerTls::from_pair(chain, key, &config, PqMode::Off).unwrap_err();
    assert!(error.to_string().contains("tls.client_ca_path"), "{error}");
}

#[test]
fn required_pq_mode_refuses_classical_groups() {
    let pki = MemoryPki::new();
    let with = |pq| {
        let (chain, key) = pki.issue("localhost");
        ServerTls::from_pair(chain, key, &TlsConfig::default(), pq).unwrap()
    };
    let required = || {
        let mut config = ron_transport::Config::default();
        config.pq.set_mode(PqMode::Required);
        let observer = Recorder::new().observer();
        Transport::builder().config(config).observer(observer)
    };
    for pq in [PqMode::Off, PqMode::Hybrid] {
        assert_eq!(with(pq).pq_mode(), pq);
        let error = required().server_tls(with(pq)).build().unwrap_err();
        assert!(error.to_string().contains("pq.mode"), "{error}");
        let error = required().client_tls(client(&pki, &[&pki])).build();
        assert_eq!(error.unwrap_err().kind(), "config");
    }
    let transport = required()
        .server_tls(with(PqMode::Required))
        .build()
        .unwrap();
    let rustls = ServerTls::from_rustls(Arc::new(rustls_server(&pki)));
    let error = transport.replace_server_tls(rustls).unwrap_err();
    assert_eq!(error.kind(), "config");
    let error = transport.replace_client_tls(client(&pki, &[&pki]));
    assert_eq!(error.unwrap_err().kind(), "config");
    transport
        .replace_server_tls(with(PqMode::Required))
        .unwrap();
}
