//! The server's side of TLS handshakes, over streams in memory.
//!
//! An operation is an accept through the guard, the handshake, and the end after the client's
//! `close_notify`.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio_rustls::TlsConnector;
use transport_core::{Backend, Dialer};
use transport_limits::Guard;
use transport_testkit::pki::{Leaf, PkiDir};
use transport_testkit::{MemoryDialer, MemoryListener};
use transport_tls::raw::TlsListener;
use transport_tls::{PqMode, Reloadable, ServerTls, TlsConfig};

use crate::{measure, setup};

pub(crate) async fn run(operations: usize, resumes: bool, pq: PqMode) {
    let leaf = Leaf::self_signed(&["localhost"]);
    let server = server(&leaf, pq);
    let limiter = setup::limiter();
    let (raw, dialer) = MemoryListener::bind(Backend::Tcp);
    let listener = TlsListener::over(raw, &server, limiter.shared_observer());
    let mut guard = Guard::new(listener, &limiter);
    let client = Client::new(&leaf, dialer, resumes, pq);
    for counted in [false, true] {
        let serve = async {
            for _ in 0..operations {
                let connection = guard.accept().await.establish().await.unwrap();
                let mut io = connection.io;
                assert_eq!(io.read(&mut [0; 64]).await.unwrap(), 0);
                io.shutdown().await.unwrap();
            }
        };
        // The first connection of the warm-up has no ticket.
        measure::both(counted, serve, client.connect(operations, !counted)).await;
    }
}

/// Runs a client's full handshake.
pub(crate) async fn connect(leaf: &Leaf, io: TcpStream) -> TlsStream<TcpStream> {
    let config = client_config(leaf, false, PqMode::Off);
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, io).await.unwrap()
}

pub(crate) fn server(leaf: &Leaf, pq: PqMode) -> Reloadable<ServerTls> {
    let dir = PkiDir::new();
    dir.write_private("cert.pem", &leaf.cert);
    dir.write_private("key.pem", &leaf.key_pem());
    let mut config = TlsConfig::default();
    config
        .set_cert_path(Some(dir.path("cert.pem")))
        .set_key_path(Some(dir.path("key.pem")));
    Reloadable::new(ServerTls::load(&config, pq).unwrap())
}

struct Client {
    config: Arc<ClientConfig>,
    dialer: MemoryDialer,
    resumes: bool,
}

impl Client {
    fn new(leaf: &Leaf, dialer: MemoryDialer, resumes: bool, pq: PqMode) -> Self {
        Self {
            config: Arc::new(client_config(leaf, resumes, pq)),
            dialer,
            resumes,
        }
    }

    async fn connect(&self, operations: usize, is_first_full: bool) {
        let target = "memory:1".parse().unwrap();
        for at in 0..operations {
            let io = self.dialer.dial(&target).await.unwrap().io;
            let name = "localhost".try_into().unwrap();
            let connector = TlsConnector::from(Arc::clone(&self.config));
            let mut stream = connector.connect(name, io).await.unwrap();
            let is_full = !self.resumes || (is_first_full && at == 0);
            let expected = if is_full {
                HandshakeKind::Full
            } else {
                HandshakeKind::Resumed
            };
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected));
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
    }
}

fn client_config(leaf: &Leaf, resumes: bool, pq: PqMode) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let cert = CertificateDer::from_pem_slice(leaf.cert.as_bytes());
    roots.add(cert.unwrap()).unwrap();
    let provider = CryptoProvider {
        kx_groups: match pq {
            PqMode::Off => vec![kx_group::X25519],
            _ => vec![kx_group::X25519MLKEM768, kx_group::X25519],
        },
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    config
}
