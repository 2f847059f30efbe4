//! Client certificates: off, optional, required, and allow-lists.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::PKCS_ECDSA_P256_SHA256;
use transport_core::{NoIdentity, PeerIdentity, TlsErrorKind};
use transport_tls::rustls::crypto::aws_lc_rs::{default_provider, Ticketer};
use transport_tls::rustls::pki_types::pem::PemObject;
use transport_tls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use transport_tls::rustls::server::WebPkiClientVerifier;
use transport_tls::rustls::version::TLS13;
use transport_tls::rustls::{RootCertStore, ServerConfig};
use transport_tls::{ClientAuth, ClientTls, PqMode, Reloadable, ServerTls, TlsConfig};

use crate::pki::{self, Authority, Files, SERVER};
use crate::rig::{failure, files, message, read_failure, Rig};

const CLIENT: &str = "client.example";
const SPIFFE: &str = "spiffe://example/payments";

/// A server, a client with a certificate, and one without.
struct Mutual {
    server: Reloadable<ServerTls>,
    known: Reloadable<ClientTls>,
    anonymous: Reloadable<ClientTls>,
}

fn mutual(auth: ClientAuth, allow: &[&str]) -> Mutual {
    let (files, authority) = files();
    let mut config = files.mutual_config(auth, &authority);
    allow_sans(&mut config, allow);
    Mutual {
        server: pki::server(&config, PqMode::Off),
        known: known(&files, &authority),
        anonymous: pki::client(&files.client_config(), PqMode::Off),
    }
}

fn allow_sans(config: &mut TlsConfig, allow: &[&str]) {
    let sans = allow.iter().map(|san| (*san).to_owned());
    config.set_allow_sans(sans.collect()).unwrap();
}

fn known(files: &Files, authority: &Authority) -> Reloadable<ClientTls> {
    let leaf = authority.leaf(&[CLIENT, SPIFFE]);
    pki::client(&files.client_config_with(&leaf), PqMode::Off)
}

/// Returns the client identity at the server, or the server's error.
async fn seen(
    server: &Reloadable<ServerTls>,
    client: &Reloadable<ClientTls>,
) -> Result<PeerIdentity, String> {
    let (server, client) = Rig::new(server, client).handshake().await;
    match server {
        Ok(server) => Ok(server.info.identity.clone()),
        Err(error) => {
            // The client receives the refusal with its first read at the latest.
            if let Ok(mut client) = client {
                let alert = message(&read_failure(&mut client).await);
                assert!(alert.starts_with("the peer sent alert "), "{alert}");
            }
            Err(message(&error))
        }
    }
}

fn sans(identity: PeerIdentity) -> Vec<String> {
    match identity {
        PeerIdentity::Verified(identity) => identity.sans.clone(),
        other => panic!("no verified identity: {other:?}"),
    }
}

#[tokio::test]
async fn off_requests_no_certificate() {
    let m = mutual(ClientAuth::Off, &[]);
    for client in [&m.known, &m.anonymous] {
        let identity = seen(&m.server, client).await.unwrap();
        assert_eq!(identity, PeerIdentity::None(NoIdentity::NotRequested));
    }
}

#[tokio::test]
async fn optional_accepts_both() {
    let m = mutual(ClientAuth::Optional, &[]);
    let identity = seen(&m.server, &m.known).await.unwrap();
    assert_eq!(sans(identity), [CLIENT, SPIFFE]);
    let identity = seen(&m.server, &m.anonymous).await.unwrap();
    assert_eq!(identity, PeerIdentity::None(NoIdentity::NotPresented));
}

#[tokio::test]
async fn optional_refuses_untrusted_certificate() {
    let m = mutual(ClientAuth::Optional, &[]);
    let (files, authority) = files();
    let stranger = known(&files, &authority);
    // It trusts another server's authority; only its certificate matters here.
    let (server, _) = Rig::new(&m.server, &stranger).handshake().await;
    assert!(server.is_err());
}

#[tokio::test]
async fn required_refuses_missing_certificate() {
    let m = mutual(ClientAuth::Required, &[]);
    let identity = seen(&m.server, &m.known).await.unwrap();
    assert_eq!(sans(identity), [CLIENT, SPIFFE]);
    assert_eq!(
        seen(&m.server, &m.anonymous).await.unwrap_err(),
        "the client presented no certificate, and one is required"
    );
}

#[tokio::test]
async fn listed_name_or_uri_is_accepted() {
    for allow in [&[SPIFFE][..], &["other.example", "CLIENT.example"]] {
        let m = mutual(ClientAuth::Required, allow);
        let identity = seen(&m.server, &m.known).await.unwrap();
        assert_eq!(sans(identity), [CLIENT, SPIFFE]);
    }
}

#[tokio::test]
async fn unlisted_name_is_refused() {
    let m = mutual(ClientAuth::Required, &["other.example", "spiffe://example"]);
    assert_eq!(
        seen(&m.server, &m.known).await.unwrap_err(),
        "the client's certificate has no name that tls.allow_sans lists"
    );
}

#[tokio::test]
async fn allow_list_requires_optional_certificate() {
    let m = mutual(ClientAuth::Optional, &[SPIFFE]);
    assert!(seen(&m.server, &m.known).await.is_ok());
    assert_eq!(
        seen(&m.server, &m.anonymous).await.unwrap_err(),
        "the client presented no certificate, and one is required"
    );
}

#[tokio::test]
async fn identity_has_public_key_hash() {
    let (files, authority) = files();
    let config = files.mutual_config(ClientAuth::Required, &authority);
    let leaf = authority.leaf(&[SPIFFE]);
    let client = pki::client(&files.client_config_with(&leaf), PqMode::Off);
    let server = pki::server(&config, PqMode::Off);
    let (ours, theirs) = Rig::new(&server, &client).connect().await;
    let PeerIdentity::Verified(identity) = ours.info.identity.clone() else {
        panic!("the client was verified");
    };
    let spki = rcgen::PublicKeyData::subject_public_key_info(&leaf.key);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki);
    assert_eq!(&identity.spki_sha256[..], hash.as_ref());
    assert_eq!(sans(theirs.info.identity.clone()), [pki::SERVER]);
}

#[tokio::test]
async fn removed_authority_prevents_resumption() {
    let (files, authority) = files();
    let config = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&config, PqMode::Off);
    let client = known(&files, &authority);
    let mut rig = Rig::new(&server, &client);
    let (mut ours, mut theirs) = rig.connect().await;
    crate::rig::ping(&mut ours, &mut theirs).await;
    files.put("client-ca.pem", &Authority::new().pem());
    assert!(ServerTls::refresh(&server).unwrap());
    let (refused, _) = rig.handshake().await;
    let says = failure(refused);
    assert!(says.starts_with("the client's certificate "), "{says}");
    // Open connections continue.
    crate::rig::ping(&mut ours, &mut theirs).await;
}

#[tokio::test]
async fn allow_list_applies_to_resumed_sessions() {
    let (files, authority) = files();
    let mut config = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&config, PqMode::Off);
    let client = known(&files, &authority);
    let mut rig = Rig::new(&server, &client);
    let (mut ours, mut theirs) = rig.connect().await;
    crate::rig::ping(&mut ours, &mut theirs).await;
    let (ours, _theirs) = rig.connect().await;
    assert!(ours.info.resumed);
    assert_eq!(sans(ours.info.identity.clone()), [CLIENT, SPIFFE]);
    allow_sans(&mut config, &["other.example"]);
    server.replace(transport_tls::ServerTls::load(&config, PqMode::Off).unwrap());
    let (refused, _) = rig.handshake().await;
    assert_eq!(
        failure(refused),
        "the client's certificate has no name that tls.allow_sans lists"
    );
}

/// The handshake is a full one and fails.
#[tokio::test]
async fn expired_client_certificate_is_not_resumed() {
    let (files, authority) = files();
    let config = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&config, PqMode::Off);
    let expires = SystemTime::now() + Duration::from_secs(3);
    let leaf = authority.leaf_with(&[CLIENT], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = expires.into();
    });
    let client = pki::client(&files.client_config_with(&leaf), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let (mut ours, mut theirs) = rig.connect().await;
    crate::rig::ping(&mut ours, &mut theirs).await;
    wait_until_past(expires).await;
    let (refused, _) = rig.handshake().await;
    let refused = refused.unwrap_err();
    assert_eq!(message(&refused), "the client's certificate has expired");
    assert_eq!(refused.tls_kind(), Some(TlsErrorKind::Expired));
    let shakes = rig.accepts.snapshot().tls_handshakes;
    assert!(!shakes[1].resumed && !shakes[1].ok);
}

/// Waits until a certificate has expired; its dates have whole seconds.
async fn wait_until_past(expires: SystemTime) {
    while SystemTime::now() <= expires + Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Tickets of a rustls configuration do not limit sessions by certificates.
#[tokio::test]
async fn expired_session_of_rustls_config_is_refused() {
    let (files, authority) = files();
    let pair = authority.leaf(&[SERVER]);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap());
    let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()];
    let key = PrivatePkcs8KeyDer::from(pair.key.serialize_der());
    let mut config = config.with_single_cert(chain, key.into()).unwrap();
    config.ticketer = Ticketer::new().unwrap();
    let server = Reloadable::new(ServerTls::from_rustls(Arc::new(config)));
    let expires = SystemTime::now() + Duration::from_secs(3);
    let leaf = authority.leaf_with(&[CLIENT], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = expires.into();
    });
    let client = pki::client(&files.client_config_with(&leaf), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let (mut ours, mut theirs) = rig.connect().await;
    crate::rig::ping(&mut ours, &mut theirs).await;
    wait_until_past(expires).await;
    let refused = rig.handshake().await.0.unwrap_err();
    assert!(
        message(&refused).ends_with("has expired since the full handshake"),
        "{refused}"
    );
    assert_eq!(refused.tls_kind(), Some(TlsErrorKind::Expired));
}
