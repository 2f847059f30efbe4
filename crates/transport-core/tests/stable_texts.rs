//! Texts that metrics, logs and callers depend on: they are unique, and words of the same form.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use transport_core::{
    CloseReason, Direction, Op, PeerAddr, PeerName, ProxyResult, ProxyVersion, Queue, Scope,
    TaskKind, TlsErrorKind, ViaErrorKind,
};

/// Checks that texts are words of lower-case letters, digits and underscores, each once.
fn assert_labels<T: Copy>(all: &[T], text: fn(T) -> &'static str) -> BTreeSet<&'static str> {
    let texts: BTreeSet<_> = all.iter().map(|&one| text(one)).collect();
    assert_eq!(texts.len(), all.len(), "{texts:?}");
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    for text in &texts {
        assert!(!text.is_empty() && text.chars().all(is_word), "{text}");
    }
    texts
}

#[test]
fn metric_labels_are_unique_words() {
    assert_labels(&Direction::ALL, Direction::as_str);
    assert_labels(&Scope::ALL, Scope::as_str);
    assert_labels(&CloseReason::ALL, CloseReason::as_str);
    assert_labels(&Queue::ALL, Queue::as_str);
    assert_labels(&TaskKind::ALL, TaskKind::as_str);
    assert_labels(&[ProxyVersion::V1, ProxyVersion::V2], ProxyVersion::as_str);
    let results = assert_labels(&ProxyResult::ALL, ProxyResult::as_str);
    assert!(results.contains("ok") && results.contains("untrusted"));
}

#[test]
fn deadline_names_are_unique_words() {
    let all = [
        Op::Dial,
        Op::Handshake,
        Op::Read,
        Op::Write,
        Op::Idle,
        Op::Lifetime,
        Op::HalfClose,
        Op::ProxyHeader,
    ];
    assert_labels(&all, Op::as_str);
    assert_eq!(Op::HalfClose.to_string(), "half_close");
}

#[test]
fn failure_kinds_are_unique_words() {
    use TlsErrorKind::{
        Alert, BadCertificate, CertificateRequired, Config, CrlExpired, CrlInvalid, Ended, Expired,
        NameConstraint, NoCommonAlpn, NoCommonGroup, NoCommonVersion, NotAllowed, NotTls,
        NotYetValid, Other, PinMismatch, PlainHttp, RevocationUnknown, Revoked, UnknownCa,
        WrongName, WrongPurpose,
    };
    let all = [
        Alert(40),
        BadCertificate,
        CertificateRequired,
        Config,
        CrlExpired,
        CrlInvalid,
        Ended,
        Expired,
        NameConstraint,
        NoCommonAlpn,
        NoCommonGroup,
        NoCommonVersion,
        NotAllowed,
        NotTls,
        NotYetValid,
        Other,
        PinMismatch,
        PlainHttp,
        RevocationUnknown,
        Revoked,
        UnknownCa,
        WrongName,
        WrongPurpose,
    ];
    assert_labels(&all, TlsErrorKind::as_str);
    assert_eq!(Alert(80).to_string(), "alert");
    let via = [
        ViaErrorKind::Refused,
        ViaErrorKind::Auth,
        ViaErrorKind::Malformed,
        ViaErrorKind::Ended,
    ];
    assert_labels(&via, ViaErrorKind::as_str);
    assert_eq!(ViaErrorKind::Auth.to_string(), "auth");
}

#[test]
fn peer_name_displays_its_value() {
    let ip = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let texts = [
        PeerName::DnsName("*.example.com".into()),
        PeerName::Uri("spiffe://a/b".into()),
        PeerName::Email("a@example.com".into()),
        PeerName::Ip(ip),
    ]
    .map(|name| name.to_string());
    let expected = [
        "*.example.com",
        "spiffe://a/b",
        "a@example.com",
        "192.0.2.1",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn only_ip_peer_has_an_ip() {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(PeerAddr::Ip((ip, 1).into()).ip(), Some(ip));
    for other in [PeerAddr::Uid(1), PeerAddr::Circuit(1), PeerAddr::Other(1)] {
        assert_eq!(other.ip(), None);
    }
}
