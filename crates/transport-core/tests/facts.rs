//! Addresses, identity, PROXY header and dial steps of a connection.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use transport_core::{
    CertificateChain, DialSteps, NoIdentity, PeerAddr, PeerIdentity, PeerName, Proxied,
    ProxiedAddrs, ProxyVersion, Target, VerifiedIdentity,
};

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn only_ip_peers_have_an_ip() {
    let ip = PeerAddr::Ip(addr("[2001:db8::1]:9"));
    assert_eq!(ip.ip(), Some(addr("[2001:db8::1]:1").ip()));
    for peer in [PeerAddr::Uid(1), PeerAddr::Circuit(1), PeerAddr::Other(1)] {
        assert_eq!(peer.ip(), None);
    }
}

#[test]
fn host_name_of_253_bytes_is_allowed() {
    assert!(Target::host("a".repeat(253), 1).is_ok());
    assert!(Target::host("a".repeat(254), 1).is_err());
}

#[test]
fn identity_of_a_verified_peer() {
    let names = vec![
        PeerName::DnsName("a.example".into()),
        PeerName::Ip("::1".parse().unwrap()),
        PeerName::Uri("spiffe://a/b".into()),
    ];
    let chain: CertificateChain = [&[1, 2][..]].into_iter().collect();
    let facts = Arc::new(VerifiedIdentity::new(names.clone(), chain.clone(), [7; 32]));
    assert_eq!(facts.sans, ["a.example", "spiffe://a/b"]);
    let identity = PeerIdentity::Verified(Arc::clone(&facts));
    assert_eq!(identity.verified(), Some(&*facts));
    assert_eq!(identity.names(), names);
    assert_eq!(identity.chain(), Some(&chain));
}

#[test]
fn other_identities_have_no_certificate() {
    for identity in [
        PeerIdentity::Uid(1),
        PeerIdentity::None(NoIdentity::NotPresented),
    ] {
        assert_eq!(identity.verified(), None);
        assert!(identity.names().is_empty() && identity.chain().is_none());
    }
}

#[test]
fn proxied_addresses_of_ip_only() {
    let mut facts = Proxied::new(ProxyVersion::V1);
    assert_eq!((facts.source(), facts.destination()), (None, None));
    let (source, destination) = (addr("192.0.2.1:5"), addr("198.51.100.2:443"));
    facts.addrs = ProxiedAddrs::Ip {
        source,
        destination,
    };
    assert_eq!(facts.source(), Some(source));
    assert_eq!(facts.destination(), Some(destination));
    facts.addrs = ProxiedAddrs::Unix {
        source: Box::default(),
        destination: b"/run/a".as_slice().into(),
    };
    assert_eq!((facts.source(), facts.destination()), (None, None));
}

#[test]
fn each_step_of_a_dial_is_kept_apart() {
    let mut steps = DialSteps::NONE;
    steps.set_resolve(Duration::from_millis(1));
    steps.set_connect(Duration::from_millis(2));
    steps.set_handshake(Duration::from_millis(3));
    let all = [steps.resolve(), steps.connect(), steps.handshake()];
    assert_eq!(all, [1, 2, 3].map(|ms| Some(Duration::from_millis(ms))));
}
