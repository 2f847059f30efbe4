//! TLS 1.3 only, although this test binary compiles TLS 1.2 in.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::{self, kx_group};
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use transport_core::{Dialer, Listener, Pending};
use transport_tls::rustls::pki_types::pem::PemObject;
use transport_tls::rustls::pki_types::CertificateDer;
use transport_tls::{ClientTls, PqMode, Reloadable, ServerTls};

use crate::pki::{self, Authority, Files, SERVER};
use crate::rig::{failure, message, target, Rig};

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A plain rustls client.
pub(crate) fn connector(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    TlsConnector::from(Arc::new(client_config(authority, versions)))
}

fn client_config(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(der(&authority.pem())).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.insert(0, kx_group::X25519MLKEM768);
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
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

async fn dial_old(
    rig: &mut Rig,
    authority: &Authority,
) -> (crate::rig::HandshakeResult, std::io::Error) {
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
async fn tls12_client_is_refused_with_alert() {
    let authority = Authority::new();
    let files = Files::new(&authority, &authority.leaf(&[SERVER]));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (server, client) = dial_old(&mut Rig::new(&server, &client), &authority).await;
    assert_eq!(
        failure(server),
        "no TLS version in common: the peer does not speak TLS 1.3, but TLS 1.2 at most"
    );
    let alert = client.to_string();
    assert!(alert.contains("ProtocolVersion"), "{alert}");
}

#[tokio::test]
async fn tls12_server_is_refused() {
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
        "the peer sent alert protocol_version: the peer does not speak TLS 1.3"
    );
}

/// A rustls configuration of the embedder that allows TLS 1.2.
#[tokio::test]
async fn tls12_session_of_rustls_config_is_refused() {
    let authority = Authority::new();
    let files = Files::empty();
    files.put("ca.pem", &authority.pem());
    let config = Arc::new(old_server(&authority, true));
    let server = Reloadable::new(ServerTls::from_rustls(config));
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let (old, _) = dial_old(&mut rig, &authority).await;
    assert_eq!(
        message(&old.unwrap_err()),
        "no TLS version in common: TLS 1.3 is required"
    );
    assert!(!rig.accepts.snapshot().tls_handshakes[0].ok);
    rig.connect().await;
}

/// Encodes a ClientHello (RFC 5246 §7.4.1.2) with one cipher suite.
fn client_hello(version: u16, suite: u16, extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let len = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.extend([0, 0, 2]); // session id, length of the suites
    body.extend(suite.to_be_bytes());
    body.extend([1, 0]); // no compression
    if !extensions.is_empty() {
        let extension = |&(kind, data): &(u16, &[u8])| {
            [&kind.to_be_bytes()[..], &len(data.len()), data].concat()
        };
        let all: Vec<u8> = extensions.iter().flat_map(extension).collect();
        body.extend(len(all.len()));
        body.extend(all);
    }
    let message = [&[1, 0][..], &len(body.len()), &body].concat();
    [&[22, 3, 1][..], &len(message.len()), &message].concat()
}

async fn refusal(hello: &[u8]) -> String {
    let (error, answer) = Rig::plain(PqMode::Off).send_plain(hello).await;
    assert_eq!(answer.first(), Some(&21), "an alert is sent");
    message(&error)
}

#[tokio::test]
async fn old_client_versions_are_distinguished() {
    let none = "no TLS version in common: the peer does not speak TLS 1.3";
    for (version, name) in [
        (0x0300, "SSL 3.0"),
        (0x0301, "TLS 1.0"),
        (0x0302, "TLS 1.1"),
        (0x0303, "TLS 1.2"),
    ] {
        let says = refusal(&client_hello(version, 0x002f, &[])).await;
        assert_eq!(says, format!("{none}, but {name} at most"));
    }
    let groups: (u16, &[u8]) = (10, &[0, 2, 0, 23]);
    let says = refusal(&client_hello(0x0302, 0xc013, &[groups])).await;
    assert_eq!(says, format!("{none}, but TLS 1.1 at most"));
    for version in [[0, 2], [3, 1]] {
        let [high, low] = version;
        let old = [0x80, 28, 1, high, low, 0, 3, 0, 0, 0, 16, 7, 0, 192];
        let says = refusal(&[&old[..], &[5; 16]].concat()).await;
        assert_eq!(says, format!("{none}, and started with a hello of SSL 2"));
    }
}

#[tokio::test]
async fn missing_group_is_not_an_old_version() {
    let tls13: [(u16, &[u8]); 2] = [(43, &[2, 3, 4]), (13, &[0, 2, 4, 3])];
    let groups = |group: &'static [u8]| [tls13[0], tls13[1], (10, group), (51, &[0, 0][..])];
    let says = refusal(&client_hello(0x0303, 0x1301, &groups(&[0, 2, 0x12, 0x34]))).await;
    assert_eq!(says, "no key exchange group in common with the peer");
    let says = refusal(&client_hello(0x0303, 0x1399, &groups(&[0, 2, 0, 29]))).await;
    assert_eq!(says, "no cipher suite in common with the peer");
}

/// A configuration of the embedder that allows TLS 1.2.
#[tokio::test]
async fn tls12_server_is_refused_by_rustls_client() {
    let authority = Authority::new();
    let config = client_config(&authority, &[&TLS12, &TLS13]);
    let live = Reloadable::new(ClientTls::from_rustls(Arc::new(config)));
    for (with_tls13, refused) in [(false, true), (true, false)] {
        let (mut listener, reach) =
            transport_testkit::MemoryListener::bind(transport_core::Backend::Tcp);
        let recorder = transport_testkit::Recorder::new();
        let dialer = transport_tls::raw::TlsDialer::over(reach, &live, recorder.observer());
        let acceptor = TlsAcceptor::from(Arc::new(old_server(&authority, with_tls13)));
        let old = async {
            let pending = listener.accept().await.unwrap();
            let io = pending.establish().await.unwrap().io;
            acceptor.accept(io).await
        };
        let target = target();
        let (old, dialed) = tokio::join!(old, dialer.dial(&target));
        assert_eq!(dialed.is_err(), refused);
        if refused {
            let error = message(&dialed.unwrap_err());
            assert!(error.contains("TLS 1.3"), "{error}");
        }
        drop(old);
    }
}
