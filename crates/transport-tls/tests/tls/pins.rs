//! Pinned public keys, on both ends.

use rcgen::{KeyPair, PublicKeyData};
use transport_core::TlsErrorKind as Kind;
use transport_tls::rustls::AlertDescription;
use transport_tls::{ClientAuth, PqMode, SpkiPin};

use crate::pki::{self, Authority, Files, Leaf, SERVER};
use crate::raw_certificates::{self, dns, Ca};
use crate::rig::{failure, files, read_failure, HandshakeResult, Rig};

fn pin(key: &KeyPair) -> String {
    let spki = key.subject_public_key_info();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki);
    SpkiPin::new(hash.as_ref().try_into().unwrap()).to_string()
}

fn other_pin() -> String {
    pin(&KeyPair::generate().unwrap())
}

/// A root, an intermediate and a leaf.
struct Chain {
    root: Ca,
    lower: Ca,
    leaf: Leaf,
}

impl Chain {
    fn new() -> Self {
        let root = Ca::root();
        let lower = root.below(|_| {});
        let leaf = lower.leaf(&[dns(SERVER)]);
        Self { root, lower, leaf }
    }

    /// Returns the leaf with another certificate after its chain.
    fn with_extra(&self, extra: &Ca) -> Leaf {
        let key = KeyPair::from_pem(&self.leaf.key_pem()).unwrap();
        let extra = raw_certificates::pem(&[extra.der().clone()]);
        Leaf {
            cert: self.leaf.cert.clone() + &extra,
            key,
        }
    }
}

/// Connects a client with this chain to a pinning listener.
///
/// The server's result is first.
async fn accept(chain: &Chain, leaf: &Leaf, pins: &[String]) -> (HandshakeResult, HandshakeResult) {
    let (files, _) = files();
    let mut config = files.mutual_config(ClientAuth::Optional, &Authority::new());
    files.put("client-ca.pem", &chain.root.pem());
    config.set_spki_pins(pins.to_vec()).unwrap();
    let server = pki::server(&config, PqMode::Off);
    let client = pki::client(&files.client_config_with(leaf), PqMode::Off);
    Rig::new(&server, &client).handshake().await
}

/// Dials a server with this chain, with these pins; server result first.
async fn dial(chain: &Chain, leaf: &Leaf, pins: &[String]) -> (HandshakeResult, HandshakeResult) {
    let files = Files::empty();
    files.put_pair(leaf);
    files.put("ca.pem", &chain.root.pem());
    let mut config = files.client_config();
    config.set_spki_pins(pins.to_vec()).unwrap();
    let client = pki::client(&config, PqMode::Off);
    let server = pki::server(&files.server_config(), PqMode::Off);
    Rig::new(&server, &client).handshake().await
}

#[tokio::test]
async fn pinned_key_of_verified_chain_is_accepted() {
    let chain = Chain::new();
    for key in [&chain.leaf.key, chain.lower.key(), chain.root.key()] {
        let pins = [other_pin(), format!("sha256//{}", pin(key))];
        let (server, _) = accept(&chain, &chain.leaf, &pins).await;
        assert!(server.is_ok(), "{:?}", server.err());
        let (_, client) = dial(&chain, &chain.leaf, &pins).await;
        assert!(client.is_ok(), "{:?}", client.err());
    }
}

#[tokio::test]
async fn client_without_a_pinned_key_is_refused() {
    let chain = Chain::new();
    let (server, client) = accept(&chain, &chain.leaf, &[other_pin()]).await;
    let kind = server.as_ref().unwrap_err().tls_kind();
    assert_eq!(kind, Some(Kind::PinMismatch));
    assert_eq!(
        failure(server),
        "the client's verified chain has no key that tls.spki_pins lists"
    );
    let alert = read_failure(&mut client.unwrap()).await.tls_kind();
    let unknown = u8::from(AlertDescription::CertificateUnknown);
    assert_eq!(alert, Some(Kind::Alert(unknown)));
}

#[tokio::test]
async fn client_without_a_certificate_has_no_pin() {
    let (files, authority) = files();
    let mut config = files.mutual_config(ClientAuth::Optional, &authority);
    config.set_spki_pins(vec![other_pin()]).unwrap();
    let server = pki::server(&config, PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (server, _client) = Rig::new(&server, &client).handshake().await;
    assert_eq!(
        server.unwrap_err().tls_kind(),
        Some(Kind::CertificateRequired)
    );
}

#[tokio::test]
async fn server_without_a_pinned_key_is_refused() {
    let chain = Chain::new();
    let (server, client) = dial(&chain, &chain.leaf, &[other_pin()]).await;
    let kind = client.as_ref().unwrap_err().tls_kind();
    assert_eq!(kind, Some(Kind::PinMismatch));
    assert_eq!(
        failure(client),
        "the server's verified chain has no key that tls_client.spki_pins lists"
    );
    let unknown = u8::from(AlertDescription::CertificateUnknown);
    let alert = server.unwrap_err().tls_kind();
    assert_eq!(alert, Some(Kind::Alert(unknown)));
}

/// Only certificates of the verified path count.
///
/// A peer can send any certificate.
#[tokio::test]
async fn pinned_key_beside_the_path_does_not_count() {
    let chain = Chain::new();
    let pinned = chain.root.below(|_| {});
    let name = chain.lower.name();
    let twin = chain.root.below(|params| params.distinguished_name = name);
    for extra in [pinned, twin] {
        let leaf = chain.with_extra(&extra);
        let pins = [pin(extra.key())];
        let (server, _client) = accept(&chain, &leaf, &pins).await;
        assert_eq!(server.unwrap_err().tls_kind(), Some(Kind::PinMismatch));
        let (_server, client) = dial(&chain, &leaf, &pins).await;
        assert_eq!(client.unwrap_err().tls_kind(), Some(Kind::PinMismatch));
    }
}

#[tokio::test]
async fn name_and_key_are_both_needed() {
    let chain = Chain::new();
    let (files, _) = files();
    let mut config = files.mutual_config(ClientAuth::Required, &Authority::new());
    files.put("client-ca.pem", &chain.root.pem());
    let client = pki::client(&files.client_config_with(&chain.leaf), PqMode::Off);
    let own = pin(&chain.leaf.key);
    for (san, pin, want) in [
        (SERVER, own.clone(), None),
        ("other.example", own, Some(Kind::NotAllowed)),
        (SERVER, other_pin(), Some(Kind::PinMismatch)),
    ] {
        config.set_allow_sans(vec![san.to_owned()]).unwrap();
        config.set_spki_pins(vec![pin]).unwrap();
        let server = pki::server(&config, PqMode::Off);
        let (server, _client) = Rig::new(&server, &client).handshake().await;
        assert_eq!(server.err().and_then(|error| error.tls_kind()), want);
    }
}
