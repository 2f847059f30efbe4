use super::*;

#[test]
fn error_survives_io_error_round_trip() {
    let error = io::Error::from(TransportError::Timeout { op: Op::Write });
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(TransportError::find(&error).unwrap().kind(), "timeout");
    let back = TransportError::from(error);
    assert!(matches!(back, TransportError::Timeout { op: Op::Write }));
}

#[test]
fn foreign_error_is_wrapped() {
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    assert!(TransportError::find(&reset).is_none());
    let wrapped = TransportError::from(reset);
    assert_eq!(wrapped.close_reason(), CloseReason::Reset);
    assert_eq!(
        io::Error::from(wrapped).kind(),
        io::ErrorKind::ConnectionReset
    );
}

#[test]
fn idle_and_lifetime_are_no_rejections() {
    for op in [Op::Idle, Op::Lifetime, Op::HalfClose] {
        assert_eq!(TransportError::Timeout { op }.reason(), None);
    }
    for op in [Op::Dial, Op::Handshake, Op::Read, Op::Write] {
        assert_eq!(
            TransportError::Timeout { op }.reason(),
            Some(Reason::Timeout)
        );
    }
    assert_eq!(TransportError::TlsTruncated.reason(), None);
    assert_eq!(TransportError::TlsTruncated.kind(), "tls_truncated");
    assert_eq!(TransportError::Closed.reason(), None);
    assert_eq!(TransportError::Closed.close_reason(), CloseReason::Eof);
}

#[test]
fn exhausted_descriptors_are_conn_limit() {
    let connect = |errno| TransportError::Connect {
        target: "a:1".into(),
        source: io::Error::from_raw_os_error(errno),
    };
    assert_eq!(connect(24).reason(), Some(Reason::ConnLimit));
    assert_eq!(connect(23).reason(), Some(Reason::ConnLimit));
    assert_eq!(connect(111).reason(), None);
}

#[test]
fn refusal_names_its_reason() {
    let text = |reason| TransportError::Refused { reason }.to_string();
    assert_eq!(text(Reason::UidDenied), "uds peer not permitted");
    assert_eq!(text(Reason::ConnLimit), "refused: conn_limit");
}

#[test]
fn tor_refusal_is_not_retryable() {
    let source = || "exit policy".into();
    let refused = TransportError::ArtiRefused { source: source() };
    assert!(!refused.is_retryable() && refused.reason().is_none());
    assert!(TransportError::Arti { source: source() }.is_retryable());
    let early = TransportError::ArtiBootstrap;
    assert!(early.is_retryable());
    assert_eq!(early.reason(), Some(Reason::ArtiBootstrap));
    assert_eq!(early.kind(), Reason::ArtiBootstrap.as_str());
}

#[test]
fn source_is_kept() {
    let source = io::Error::from(io::ErrorKind::ConnectionRefused);
    let error = TransportError::Connect {
        target: "a:1".into(),
        source,
    };
    assert!(std::error::Error::source(&error).is_some());
    assert!(error.is_retryable());
}

#[test]
fn names_of_peers_are_escaped() {
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    for error in [
        TransportError::Connect {
            target: "a\u{1b}[2J:1".into(),
            source: refused(),
        },
        TransportError::Resolve {
            host: "a\u{202e}\n".into(),
            source: refused(),
        },
        TransportError::Bind {
            addr: "/run/\u{9b}x".into(),
            source: refused(),
        },
    ] {
        let text = error.to_string();
        assert!(text.chars().all(crate::escape::is_safe), "{text:?}");
        assert!(text.contains("\\u00") || text.contains("\\u202e"), "{text}");
    }
}

#[test]
fn proxy_failure_has_kind_without_reason() {
    for kind in ViaErrorKind::ALL {
        let source = Box::new(crate::Failure::new("SOCKS5 reply 5"));
        let error = TransportError::Via { kind, source };
        assert_eq!(error.kind(), "via");
        assert_eq!(error.via_kind(), Some(kind));
        assert_eq!(error.reason(), None);
        let again = matches!(kind, ViaErrorKind::Refused | ViaErrorKind::Ended);
        assert_eq!(error.is_retryable(), again, "{kind}");
        assert_eq!(error.to_string(), "dial.via: SOCKS5 reply 5");
    }
    assert_eq!(TransportError::Closed.via_kind(), None);
}

/// A variant and its properties.
///
/// Its kind, its reason, the kind of its [`io::Error`], whether it is retryable, its text.
type Row = (
    TransportError,
    &'static str,
    Option<Reason>,
    io::ErrorKind,
    bool,
    &'static str,
);

fn rows() -> Vec<Row> {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, InvalidData, NotFound, Other, TimedOut, UnexpectedEof,
        WouldBlock,
    };
    let source = || BoxError::from("why");
    let not_found = || io::Error::from(NotFound);
    let refused = |reason| TransportError::Refused { reason };
    let via = |kind| TransportError::Via {
        kind,
        source: source(),
    };
    vec![
        (
            TransportError::Timeout { op: Op::Read },
            "timeout",
            Some(Reason::Timeout),
            TimedOut,
            false,
            "read deadline passed",
        ),
        (
            TransportError::TooLarge { len: 9, max: 8 },
            "too_large",
            Some(Reason::TooLarge),
            InvalidData,
            false,
            "9 bytes are over the ceiling of 8",
        ),
        (
            TransportError::RateLimited { scope: Scope::Peer },
            "rate_limited",
            Some(Reason::RateLimited),
            WouldBlock,
            true,
            "the peer byte rate is spent",
        ),
        (
            refused(Reason::Draining),
            "draining",
            Some(Reason::Draining),
            Other,
            false,
            "refused: draining",
        ),
        (
            refused(Reason::PeerLimit),
            "peer_limit",
            Some(Reason::PeerLimit),
            Other,
            true,
            "refused: peer_limit",
        ),
        (
            TransportError::Busy,
            "busy",
            Some(Reason::Busy),
            WouldBlock,
            true,
            "the queue is full",
        ),
        (
            TransportError::Cancelled,
            "cancelled",
            None,
            ConnectionAborted,
            false,
            "cancelled",
        ),
        (
            TransportError::Closed,
            "closed",
            None,
            BrokenPipe,
            false,
            "the connection is closed",
        ),
        (
            TransportError::PeerFailed,
            "peer_failed",
            None,
            ConnectionAborted,
            false,
            "the other leg of the relay failed",
        ),
        (
            TransportError::FrameTruncated,
            "frame_truncated",
            None,
            UnexpectedEof,
            false,
            "the stream ended inside a frame",
        ),
        (
            TransportError::TlsTruncated,
            "tls_truncated",
            None,
            UnexpectedEof,
            false,
            "the TLS stream was cut without close_notify",
        ),
        (
            TransportError::Proxy { source: source() },
            "proxy",
            Some(Reason::Proxy),
            Other,
            false,
            "proxy header: why",
        ),
        (
            via(ViaErrorKind::Refused),
            "via",
            None,
            Other,
            true,
            "dial.via: why",
        ),
        (
            via(ViaErrorKind::Auth),
            "via",
            None,
            Other,
            false,
            "dial.via: why",
        ),
        (
            TransportError::Arti { source: source() },
            "arti",
            None,
            Other,
            true,
            "tor: why",
        ),
        (
            TransportError::ArtiBootstrap,
            "arti_bootstrap",
            Some(Reason::ArtiBootstrap),
            Other,
            true,
            "tor: not bootstrapped",
        ),
        (
            TransportError::ArtiRefused { source: source() },
            "arti_refused",
            None,
            Other,
            false,
            "tor: why",
        ),
        (
            TransportError::Bind {
                addr: "a:1".into(),
                source: not_found(),
            },
            "bind",
            None,
            Other,
            false,
            "cannot bind a:1: entity not found",
        ),
        (
            TransportError::Resolve {
                host: "a".into(),
                source: not_found(),
            },
            "resolve",
            None,
            Other,
            true,
            "cannot resolve a: entity not found",
        ),
        (
            TransportError::State { what: "too late" },
            "state",
            None,
            Other,
            false,
            "too late",
        ),
        (
            TransportError::Unsupported { what: "x".into() },
            "unsupported",
            None,
            Other,
            false,
            "not supported: x",
        ),
        (
            TransportError::Io(not_found()),
            "io",
            None,
            NotFound,
            false,
            "entity not found",
        ),
    ]
}

#[test]
fn every_error_has_kind_reason_and_text() {
    for (error, kind, reason, io_kind, retryable, text) in rows() {
        assert_eq!(error.kind(), kind);
        assert_eq!(error.kind().to_string(), kind);
        assert_eq!(error.reason(), reason, "{kind}");
        assert_eq!(error.is_retryable(), retryable, "{kind}");
        assert_eq!(error.to_string(), text);
        assert_eq!(io::Error::from(error).kind(), io_kind, "{kind}");
    }
}

#[test]
fn source_exists_for_wrapped_failures_only() {
    use std::error::Error as _;
    let wrapped = [
        "proxy",
        "via",
        "arti",
        "arti_refused",
        "bind",
        "resolve",
        "io",
    ];
    for (error, kind, ..) in rows() {
        assert_eq!(error.source().is_some(), wrapped.contains(&kind), "{kind}");
    }
}

#[test]
fn nested_transport_error_found_once() {
    let inner = io::Error::from(TransportError::Busy);
    let outer = io::Error::other(inner);
    // The error of a foreign layer is not taken apart.
    assert!(TransportError::find(&outer).is_none());
    assert_eq!(TransportError::from(outer).kind(), "io");
}
