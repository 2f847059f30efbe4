//! Client certificates: off, optional, required, and the list of names that may come in.

use std::time::{Duration, SystemTime};

use rcgen::PKCS_ECDSA_P256_SHA256;
use transport_core::{NoIdentity, PeerIdentity};
use transport_tls::{ClientAuth, LiveClientTls, LiveServerTls, PqMode, TlsConfig};

use crate::pki::{self, Authority, Files};
use crate::rig::{failure, files, read_failure, says, Rig};

const CLIENT: &str = "client.example";
const SPIFFE: &str = "spiffe://example/payments";

/// A server, a client with a certificate and one without.
struct Mutual {
    server: LiveServerTls,
    known: LiveClientTls,
    anonymous: LiveClientTls,
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

fn known(files: &Files, authority: &Authority) -> LiveClientTls {
    let leaf = authority.leaf(&[CLIENT, SPIFFE]);
    pki::client(&files.client_config_with(&leaf), PqMode::Off)
}

/// Who the server sees; the error where it refuses.
async fn seen(server: &LiveServerTls, client: &LiveClientTls) -> Result<PeerIdentity, String> {
    let (server, client) = Rig::new(server, client).shake().await;
    match server {
        Ok(server) => Ok(server.info.identity),
        Err(error) => {
            // A client learns that it was refused, with its first read at the latest.
            if let Ok(mut client) = client {
                let alert = says(&read_failure(&mut client).await);
                assert!(alert.starts_with("the peer sent alert "), "{alert}");
            }
            Err(says(&error))
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
async fn off_asks_for_none() {
    let m = mutual(ClientAuth::Off, &[]);
    for client in [&m.known, &m.anonymous] {
        let identity = seen(&m.server, client).await.unwrap();
        assert_eq!(identity, PeerIdentity::None(NoIdentity::NotRequested));
    }
}

#[tokio::test]
async fn optional_takes_both() {
    let m = mutual(ClientAuth::Optional, &[]);
    let identity = seen(&m.server, &m.known).await.unwrap();
    assert_eq!(sans(identity), [CLIENT, SPIFFE]);
    let identity = seen(&m.server, &m.anonymous).await.unwrap();
    assert_eq!(identity, PeerIdentity::None(NoIdentity::NotPresented));
}

#[tokio::test]
async fn optional_refuses_what_it_cannot_trust() {
    let m = mutual(ClientAuth::Optional, &[]);
    let (files, authority) = files();
    let stranger = known(&files, &authority);
    // It trusts another server's authority: only its certificate is of interest here.
    let (server, _) = Rig::new(&m.server, &stranger).shake().await;
    assert!(server.is_err());
}

#[tokio::test]
async fn required_refuses_who_shows_none() {
    let m = mutual(ClientAuth::Required, &[]);
    let identity = seen(&m.server, &m.known).await.unwrap();
    assert_eq!(sans(identity), [CLIENT, SPIFFE]);
    assert_eq!(
        seen(&m.server, &m.anonymous).await.unwrap_err(),
        "the client showed no certificate, and one is required"
    );
}

#[tokio::test]
async fn a_listed_name_or_uri_comes_in() {
    for allow in [&[SPIFFE][..], &["other.example", "CLIENT.example"]] {
        let m = mutual(ClientAuth::Required, allow);
        let identity = seen(&m.server, &m.known).await.unwrap();
        assert_eq!(sans(identity), [CLIENT, SPIFFE]);
    }
}

#[tokio::test]
async fn a_trusted_client_without_a_listed_name_does_not() {
    let m = mutual(ClientAuth::Required, &["other.example", "spiffe://example"]);
    assert_eq!(
        seen(&m.server, &m.known).await.unwrap_err(),
        "the client's certificate bears no name of tls.allow_sans"
    );
}

#[tokio::test]
async fn with_a_list_an_optional_certificate_is_needed() {
    let m = mutual(ClientAuth::Optional, &[SPIFFE]);
    assert!(seen(&m.server, &m.known).await.is_ok());
    assert_eq!(
        seen(&m.server, &m.anonymous).await.unwrap_err(),
        "the client showed no certificate, and one is required"
    );
}

#[tokio::test]
async fn the_identity_holds_the_hash_of_the_public_key() {
    let (files, authority) = files();
    let config = files.mutual_config(ClientAuth::Required, &authority);
    let leaf = authority.leaf(&[SPIFFE]);
    let client = pki::client(&files.client_config_with(&leaf), PqMode::Off);
    let server = pki::server(&config, PqMode::Off);
    let (ours, theirs) = Rig::new(&server, &client).connect().await;
    let PeerIdentity::Verified(identity) = ours.info.identity else {
        panic!("the client was verified");
    };
    let spki = rcgen::PublicKeyData::subject_public_key_info(&leaf.key);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki);
    assert_eq!(&identity.spki_sha256[..], hash.as_ref());
    assert_eq!(sans(theirs.info.identity), [pki::SERVER]);
}

#[tokio::test]
async fn a_client_whose_authority_was_taken_away_cannot_resume() {
    let (files, authority) = files();
    let config = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&config, PqMode::Off);
    let client = known(&files, &authority);
    let mut rig = Rig::new(&server, &client);
    let (mut ours, mut theirs) = rig.connect().await;
    crate::rig::ping(&mut ours, &mut theirs).await;
    files.put("client-ca.pem", &Authority::new().pem());
    assert!(server.refresh().unwrap());
    let (refused, _) = rig.shake().await;
    let says = failure(refused);
    assert!(says.starts_with("the client's certificate "), "{says}");
    // What was open goes on.
    crate::rig::ping(&mut ours, &mut theirs).await;
}

#[tokio::test]
async fn the_list_applies_to_resumed_sessions_too() {
    let (files, authority) = files();
    let mut config = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&config, PqMode::Off);
    let client = known(&files, &authority);
    let mut rig = Rig::new(&server, &client);
    let (mut ours, mut theirs) = rig.connect().await;
    crate::rig::ping(&mut ours, &mut theirs).await;
    let (ours, _theirs) = rig.connect().await;
    assert!(ours.info.resumed);
    assert_eq!(sans(ours.info.identity), [CLIENT, SPIFFE]);
    allow_sans(&mut config, &["other.example"]);
    server.set(transport_tls::ServerTls::load(&config, PqMode::Off).unwrap());
    let (refused, _) = rig.shake().await;
    assert_eq!(
        failure(refused),
        "the client's certificate bears no name of tls.allow_sans"
    );
}

/// A session does not make a certificate last longer.
#[tokio::test]
async fn a_client_whose_certificate_expired_cannot_resume() {
    let (files, authority) = files();
    let config = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&config, PqMode::Off);
    // Certificates know whole seconds only.
    let expires = SystemTime::now() + Duration::from_secs(3);
    let leaf = authority.leaf_with(&[CLIENT], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = expires.into();
    });
    let client = pki::client(&files.client_config_with(&leaf), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let (mut ours, mut theirs) = rig.connect().await;
    crate::rig::ping(&mut ours, &mut theirs).await;
    while SystemTime::now() <= expires {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (refused, _) = rig.shake().await;
    assert_eq!(
        says(&refused.unwrap_err()),
        "the client's certificate has expired since its session began"
    );
    let shakes = rig.accepts.snapshot().tls_handshakes;
    assert!(shakes[1].resumed && !shakes[1].ok);
}
