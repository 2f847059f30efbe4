//! Names and chain of an identity.

use transport_core::{CertificateChain, PeerIdentity, PeerName};
use transport_tls::rustls::pki_types::CertificateDer;
use transport_tls::{ClientAuth, PqMode, Reloadable, ServerTls};

use crate::pki::{self, Authority, Files, Leaf};
use crate::raw_certificates::{self, dns, email, ip, other_name, uri, Ca};
use crate::rig::{files, ping, Rig};

/// Returns a listener that trusts a root.
///
/// Also returns the files of its clients.
fn listener(root: &Ca) -> (Reloadable<ServerTls>, Files) {
    let (files, _) = files();
    let config = files.mutual_config(ClientAuth::Required, &Authority::new());
    files.put("client-ca.pem", &root.pem());
    (pki::server(&config, PqMode::Off), files)
}

/// Returns the client identity at a listener.
async fn identity(root: &Ca, leaf: &Leaf) -> PeerIdentity {
    let (server, files) = listener(root);
    let client = pki::client(&files.client_config_with(leaf), PqMode::Off);
    let (ours, _theirs) = Rig::new(&server, &client).connect().await;
    ours.info.identity.clone()
}

fn chain(identity: &PeerIdentity) -> &CertificateChain {
    identity.chain().unwrap()
}

/// Adds unneeded certificates in front of the needed ones.
fn with_extra(mut leaf: Leaf, extra: &[&CertificateDer<'static>]) -> Leaf {
    let end = "-----END CERTIFICATE-----\n";
    let (own, rest) = leaf.cert.split_once(end).unwrap();
    let extra: Vec<_> = extra.iter().map(|der| (*der).clone()).collect();
    leaf.cert = format!("{own}{end}{}{rest}", raw_certificates::pem(&extra));
    leaf
}

#[tokio::test]
async fn names_keep_their_types_and_order() {
    let root = Ca::root();
    let leaf = root.leaf(&[
        email("Ann@mail.example"),
        dns("*.a.example"),
        ip(&[192, 0, 2, 7]),
        uri("admin.example"),
        dns("spiffe://td/admin"),
        uri("spiffe://td/admin"),
        other_name("admin.example"),
        dns("A.example\0"),
        ip(&[1, 2, 3]),
        ip(&[0; 16]),
        dns("A.example"),
    ]);
    let identity = identity(&root, &leaf).await;
    assert_eq!(
        identity.names(),
        [
            PeerName::Email("Ann@mail.example".into()),
            PeerName::DnsName("*.a.example".into()),
            PeerName::Ip([192, 0, 2, 7].into()),
            PeerName::Uri("spiffe://td/admin".into()),
            PeerName::Ip([0_u8; 16].into()),
            PeerName::DnsName("A.example".into()),
        ]
    );
    let sans = &identity.verified().unwrap().sans;
    assert_eq!(sans, &["*.a.example", "spiffe://td/admin", "A.example"]);
}

#[tokio::test]
async fn chain_is_leaf_first_without_root() {
    let root = Ca::root();
    let upper = root.below(|_| {});
    let lower = upper.below(|_| {});
    let leaf = with_extra(lower.leaf(&[dns("a.example")]), &[root.der()]);
    let identity = identity(&root, &leaf).await;
    let chain = chain(&identity);
    assert_eq!(chain.len(), 3);
    let certificates: Vec<_> = chain.iter().collect();
    assert_eq!(certificates[1..], [&**lower.der(), &**upper.der()]);
    assert_eq!(chain.leaf(), Some(certificates[0]));
}

#[tokio::test]
async fn chain_omits_unneeded_certificates() {
    let root = Ca::root();
    let stranger = Ca::root().below(|_| {});
    let beside = root.below(|_| {});
    let lower = root.below(|_| {});
    let extra = [stranger.der(), beside.der()];
    let leaf = with_extra(lower.leaf(&[dns("a.example")]), &extra);
    let identity = identity(&root, &leaf).await;
    let certificates: Vec<_> = chain(&identity).iter().skip(1).collect();
    assert_eq!(certificates, [&**lower.der()]);
}

#[tokio::test]
async fn authority_with_same_name_is_omitted() {
    let root = Ca::root();
    let lower = root.below(|_| {});
    let name = lower.name();
    // One issued by the same root, one by another.
    let twin = root.below(|params| params.distinguished_name = name.clone());
    let forged = Ca::root().below(|params| params.distinguished_name = name);
    let extra = [forged.der(), twin.der()];
    let leaf = with_extra(lower.leaf(&[dns("a.example")]), &extra);
    let identity = identity(&root, &leaf).await;
    let certificates: Vec<_> = chain(&identity).iter().skip(1).collect();
    assert_eq!(certificates, [&**lower.der()]);
}

#[tokio::test]
async fn resumed_session_keeps_identity() {
    let root = Ca::root();
    let leaf = root.below(|_| {}).leaf(&[uri("spiffe://td/a")]);
    let (server, files) = listener(&root);
    let client = pki::client(&files.client_config_with(&leaf), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let mut seen = Vec::new();
    for resumed in [false, true] {
        let (mut ours, mut theirs) = rig.connect().await;
        ping(&mut ours, &mut theirs).await;
        assert_eq!(ours.info.resumed, resumed);
        assert_eq!(chain(&theirs.info.identity.clone()).len(), 1);
        seen.push((ours.info.identity.clone(), theirs.info.identity.clone()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(chain(&seen[0].0).len(), 2);
}
