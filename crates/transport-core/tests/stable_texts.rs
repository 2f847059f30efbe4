//! The stable texts: metric labels, kinds of errors, words of readiness.
//!
//! Dashboards, alerts and callers compare them, so a change is a breaking change.

use transport_core::{
    Backend, CloseReason, Direction, ErrorKind, KeyExchange, Op, PeerName, ProxyResult,
    ProxyVersion, Queue, ReadyReason, ReadyState, Reason, Scope, TargetError, TaskKind,
    TlsErrorKind, TransportName, ViaErrorKind,
};

#[test]
fn labels_of_traffic() {
    assert_eq!(Direction::ALL.map(Direction::as_str), ["in", "out"]);
    assert_eq!(
        Scope::ALL.map(Scope::as_str),
        ["conn", "peer", "global", "memory"]
    );
    assert_eq!(
        Queue::ALL.map(Queue::as_str),
        ["writer_inbox", "pending_handshakes"]
    );
    assert_eq!(
        TaskKind::ALL.map(TaskKind::as_str),
        ["handshake", "writer", "serve", "linger"]
    );
    let reasons = [
        "eof",
        "reset",
        "idle",
        "lifetime",
        "timeout",
        "truncated",
        "cancelled",
        "error",
        "peer_failed",
        "half_close",
        "evicted",
    ];
    assert_eq!(CloseReason::ALL.map(CloseReason::as_str), reasons);
}

#[test]
fn labels_of_backends() {
    assert_eq!(
        Backend::ALL.map(Backend::as_str),
        ["tcp", "tls", "uds", "arti"]
    );
    assert_eq!(Backend::Custom("vsock").to_string(), "vsock");
    for (at, backend) in Backend::ALL.into_iter().enumerate() {
        assert_eq!(backend.index(), Some(at));
        assert_eq!(backend.to_string(), backend.as_str());
    }
    assert_eq!(Backend::Custom("vsock").index(), None);
}

#[test]
fn labels_of_tls_groups() {
    let names = [
        "x25519",
        "secp256r1",
        "secp384r1",
        "x25519mlkem768",
        "other",
        "none",
    ];
    assert_eq!(KeyExchange::ALL.map(KeyExchange::as_str), names);
    assert_eq!(
        KeyExchange::ALL.map(|group| group.to_string()),
        names.map(String::from)
    );
}

#[test]
fn labels_of_proxy_headers() {
    assert_eq!(ProxyVersion::ALL.map(ProxyVersion::as_str), ["v1", "v2"]);
    let results = [
        "ok",
        "no_address",
        "malformed",
        "too_large",
        "checksum",
        "timeout",
        "closed",
        "untrusted",
    ];
    assert_eq!(ProxyResult::ALL.map(ProxyResult::as_str), results);
}

#[test]
fn reasons_of_rejections() {
    let texts = [
        "timeout",
        "too_large",
        "rate_limited",
        "peer_limit",
        "tls",
        "arti_bootstrap",
        "conn_limit",
        "handshake_limit",
        "uid_denied",
        "draining",
        "busy",
        "upstream",
        "denied",
        "overload",
        "proxy",
    ];
    assert_eq!(Reason::ALL.map(Reason::as_str), texts);
    for (reason, text) in Reason::ALL.into_iter().zip(texts) {
        assert_eq!(reason.to_string(), text);
        let kind = ErrorKind::Refused(reason);
        assert_eq!(kind, text);
        assert_eq!(kind.to_string(), text);
    }
    assert_ne!(ErrorKind::Io, "timeout");
}

#[test]
fn names_of_operations() {
    for (op, text) in [
        (Op::Dial, "dial"),
        (Op::Handshake, "handshake"),
        (Op::Read, "read"),
        (Op::Write, "write"),
        (Op::Idle, "idle"),
        (Op::Lifetime, "lifetime"),
        (Op::HalfClose, "half_close"),
        (Op::ProxyHeader, "proxy_header"),
    ] {
        assert_eq!((op.as_str(), op.to_string().as_str()), (text, text));
    }
}

#[test]
fn kinds_of_tls_failures() {
    let texts = [
        "config",
        "expired",
        "not_yet_valid",
        "unknown_ca",
        "wrong_name",
        "not_allowed",
        "pin_mismatch",
        "name_constraint",
        "wrong_purpose",
        "revoked",
        "crl_expired",
        "crl_invalid",
        "revocation_unknown",
        "bad_certificate",
        "certificate_required",
        "no_common_group",
        "no_common_version",
        "no_common_alpn",
        "plain_http",
        "not_tls",
        "alert",
        "ended",
        "other",
    ];
    assert_eq!(TlsErrorKind::ALL.map(TlsErrorKind::as_str), texts);
    assert_eq!(TlsErrorKind::Alert(40).to_string(), "alert");
    assert_eq!(
        ViaErrorKind::ALL.map(ViaErrorKind::as_str),
        ["refused", "auth", "malformed", "ended"]
    );
    assert_eq!(ViaErrorKind::Auth.to_string(), "auth");
}

#[test]
fn states_of_readiness() {
    let all = ReadyState::all();
    let texts: Vec<_> = all.iter().map(ReadyState::to_string).collect();
    let want = [
        "Ready",
        "Degraded(\"arti_bootstrap\")",
        "Degraded(\"overload\")",
        "Degraded(\"upstream\")",
        "NotReady(\"starting\")",
        "NotReady(\"bind_failed\")",
        "NotReady(\"tls\")",
        "NotReady(\"arti_bootstrap_timeout\")",
        "NotReady(\"draining\")",
        "NotReady(\"stopped\")",
    ];
    assert_eq!(texts, want);
    for state in all {
        let (word, level) = match state {
            ReadyState::Ready => ("ready", 2),
            ReadyState::Degraded { .. } => ("degraded", 1),
            ReadyState::NotReady { .. } => ("not_ready", 0),
        };
        assert_eq!((state.state(), state.level()), (word, level));
        assert_eq!(state.reason().is_none(), state == ReadyState::Ready);
    }
    let reason = ReadyReason::Overload;
    assert_eq!(ReadyState::Degraded { reason }.reason(), Some(reason));
    assert_eq!(ReadyState::NotReady { reason }.reason(), Some(reason));
}

#[test]
fn names_of_peers_and_transports() {
    for (name, text) in [
        (PeerName::DnsName("a.example".into()), "a.example"),
        (PeerName::Uri("spiffe://a/b".into()), "spiffe://a/b"),
        (PeerName::Email("a@b".into()), "a@b"),
        (PeerName::Ip("::1".parse().unwrap()), "::1"),
    ] {
        assert_eq!(name.to_string(), text);
    }
    let name: TransportName = "public".parse().unwrap();
    assert_eq!(name.as_str(), "public");
    let error: TargetError = "a:0".parse::<transport_core::Target>().unwrap_err();
    assert_eq!(error.to_string(), "port must be 1 to 65535");
}
