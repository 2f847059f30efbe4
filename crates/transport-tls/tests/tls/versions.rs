//! TLS 1.3 alone, though this test binary has TLS 1.2 compiled in.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::{self, kx_group};
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use transport_core::{Dialer, Listener, Pending};
use transport_tls::rustls::pki_types::pem::PemObject;
use transport_tls::rustls::pki_types::CertificateDer;
use transport_tls::{LiveServerTls, PqMode, ServerTls};

use crate::pki::{self, Authority, Files, SERVER};
use crate::rig::{failure, says, target, Rig};

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A client of rustls alone.
pub(crate) fn connector(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(der(&authority.pem())).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.insert(0, kx_group::X25519MLKEM768);
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

pub(crate) fn old_server(authority: &Authority, with_tls13: bool) -> ServerConfig {
    let leaf = authority.leaf(&[SERVER]);
    let key = PrivatePkcs8KeyDer::from(leaf.key.serialize_der());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let both = [&TLS12, &TLS13];
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(if with_tls13 { &both } else { &both[..1] })
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der(&leaf.cert)], key.into())
        .unwrap()
}

async fn dial_old(rig: &mut Rig, authority: &Authority) -> (crate::rig::Shaken, std::io::Error) {
    let connector = connector(authority, &[&TLS12]);
    let client = async {
        let io = rig.plain.dial(&target()).await.unwrap().io;
        let name = ServerName::try_from(SERVER).unwrap();
        let mut stream = match connector.connect(name, io).await {
            Ok(stream) => stream,
            Err(error) => return error,
        };
        tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1])
            .await
            .map_or_else(
                |error| error,
                |read| std::io::Error::other(read.to_string()),
            )
    };
    let accept = async { rig.listener.accept().await?.establish().await };
    tokio::join!(accept, client)
}

#[tokio::test]
async fn a_client_of_tls_1_2_is_refused_with_an_alert() {
    let authority = Authority::new();
    let files = Files::new(&authority, &authority.leaf(&[SERVER]));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (server, client) = dial_old(&mut Rig::new(&server, &client), &authority).await;
    assert_eq!(
        failure(server),
        "no TLS version in common: the peer does not speak TLS 1.3"
    );
    let alert = client.to_string();
    assert!(alert.contains("ProtocolVersion"), "{alert}");
}

#[tokio::test]
async fn a_server_of_tls_1_2_is_refused() {
    let authority = Authority::new();
    let files = Files::empty();
    files.put("ca.pem", &authority.pem());
    let live = pki::client(&files.client_config(), PqMode::Off);
    let (mut listener, reach) =
        transport_testkit::MemoryListener::bind(transport_core::Backend::Tcp);
    let recorder = transport_testkit::Recorder::new();
    let dialer = transport_tls::raw::TlsDialer::over(reach, &live, recorder.observer());
    let acceptor = TlsAcceptor::from(Arc::new(old_server(&authority, false)));
    let old = async {
        let io = listener
            .accept()
            .await
            .unwrap()
            .establish()
            .await
            .unwrap()
            .io;
        acceptor.accept(io).await.map(drop)
    };
    let target = target();
    let (old, dialed) = tokio::join!(old, dialer.dial(&target));
    old.unwrap_err();
    assert_eq!(
        failure(dialed),
        "the peer sent alert protocol_version: it does not speak TLS 1.3"
    );
}

/// A configuration that the embedder made, and that allows more than it should.
#[tokio::test]
async fn a_session_of_tls_1_2_is_refused_whoever_allowed_it() {
    let authority = Authority::new();
    let files = Files::empty();
    files.put("ca.pem", &authority.pem());
    let config = Arc::new(old_server(&authority, true));
    let server = LiveServerTls::new(ServerTls::from_rustls(config));
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let (old, _) = dial_old(&mut rig, &authority).await;
    assert_eq!(
        says(&old.unwrap_err()),
        "no TLS version in common: TLS 1.3 is needed"
    );
    assert!(!rig.accepts.snapshot().tls_handshakes[0].ok);
    rig.connect().await;
}
