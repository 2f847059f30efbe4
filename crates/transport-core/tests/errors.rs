//! The meaning of each error.
//!
//! Rejection, retry, end of the connection, I/O kind, source.

use std::error::Error as _;
use std::io::{self, ErrorKind as Io};

use transport_core::CloseReason as Close;
use transport_core::{
    BoxError, Failure, Op, Reason, Scope, TlsErrorKind, TransportError, ViaErrorKind,
};

fn cause() -> BoxError {
    Box::new(Failure::new("cause"))
}

fn io_cause() -> io::Error {
    io::Error::from(Io::ConnectionRefused)
}

const fn timeout(op: Op) -> TransportError {
    TransportError::Timeout { op }
}

/// An error and its meaning.
///
/// Its rejection, whether a retry may help, its close reason and I/O kind.
type Row = (TransportError, Option<Reason>, bool, Close, Io);

fn rows() -> Vec<Row> {
    use TransportError as E;
    let text = || "a:1".to_owned();
    let (scope, kind) = (Scope::Peer, TlsErrorKind::Expired);
    let source = io_cause;
    let connect = E::Connect {
        target: text(),
        source: source(),
    };
    let resolve = E::Resolve {
        host: text(),
        source: source(),
    };
    let bind = E::Bind {
        addr: text(),
        source: source(),
    };
    let tls = E::Tls {
        kind,
        source: cause(),
    };
    let via = E::Via {
        kind: ViaErrorKind::Auth,
        source: cause(),
    };
    let timed_out = Some(Reason::Timeout);
    vec![
        (timeout(Op::Idle), None, false, Close::Idle, Io::TimedOut),
        (
            timeout(Op::Lifetime),
            None,
            false,
            Close::Lifetime,
            Io::TimedOut,
        ),
        (
            timeout(Op::HalfClose),
            None,
            false,
            Close::HalfClose,
            Io::TimedOut,
        ),
        (
            timeout(Op::Read),
            timed_out,
            false,
            Close::Timeout,
            Io::TimedOut,
        ),
        (
            timeout(Op::Dial),
            timed_out,
            true,
            Close::Timeout,
            Io::TimedOut,
        ),
        (
            timeout(Op::Handshake),
            timed_out,
            true,
            Close::Timeout,
            Io::TimedOut,
        ),
        (
            E::TooLarge { len: 2, max: 1 },
            Some(Reason::TooLarge),
            false,
            Close::Error,
            Io::InvalidData,
        ),
        (
            E::RateLimited { scope },
            Some(Reason::RateLimited),
            true,
            Close::Error,
            Io::WouldBlock,
        ),
        (
            E::Busy,
            Some(Reason::Busy),
            true,
            Close::Error,
            Io::WouldBlock,
        ),
        (
            E::Cancelled,
            None,
            false,
            Close::Cancelled,
            Io::ConnectionAborted,
        ),
        (
            E::PeerFailed,
            None,
            false,
            Close::PeerFailed,
            Io::ConnectionAborted,
        ),
        (E::Closed, None, false, Close::Eof, Io::BrokenPipe),
        (
            E::FrameTruncated,
            None,
            false,
            Close::Error,
            Io::UnexpectedEof,
        ),
        (
            E::TlsTruncated,
            None,
            false,
            Close::Truncated,
            Io::UnexpectedEof,
        ),
        (tls, Some(Reason::Tls), false, Close::Error, Io::Other),
        (
            E::Proxy { source: cause() },
            Some(Reason::Proxy),
            false,
            Close::Error,
            Io::Other,
        ),
        (via, None, false, Close::Error, Io::Other),
        (
            E::Arti { source: cause() },
            None,
            true,
            Close::Error,
            Io::Other,
        ),
        (
            E::ArtiBootstrap,
            Some(Reason::ArtiBootstrap),
            true,
            Close::Error,
            Io::Other,
        ),
        (
            E::ArtiRefused { source: cause() },
            None,
            false,
            Close::Error,
            Io::Other,
        ),
        (bind, None, false, Close::Error, Io::Other),
        (resolve, None, true, Close::Error, Io::Other),
        (connect, None, true, Close::Error, Io::Other),
        (
            E::Config { source: cause() },
            None,
            false,
            Close::Error,
            Io::Other,
        ),
        (
            E::State { what: "twice" },
            None,
            false,
            Close::Error,
            Io::Other,
        ),
        (
            E::Unsupported { what: text() },
            None,
            false,
            Close::Error,
            Io::Other,
        ),
        (
            E::Io(Io::NotFound.into()),
            None,
            false,
            Close::Error,
            Io::NotFound,
        ),
        (
            E::Io(Io::BrokenPipe.into()),
            None,
            false,
            Close::Reset,
            Io::BrokenPipe,
        ),
        (
            E::Io(Io::ConnectionAborted.into()),
            None,
            false,
            Close::Reset,
            Io::ConnectionAborted,
        ),
    ]
}

#[test]
fn errors_mean_what_the_table_says() {
    for (error, reason, retry, close, io_kind) in rows() {
        let name = format!("{error:?}");
        assert_eq!(error.reason(), reason, "{name}");
        assert_eq!(error.is_retryable(), retry, "{name}");
        assert_eq!(error.close_reason(), close, "{name}");
        let kind = error.kind();
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io_kind, "{name}");
        assert_eq!(TransportError::from(error).kind(), kind, "{name}");
    }
}

#[test]
fn refusals_of_policy_are_final() {
    let is_final = [
        Reason::UidDenied,
        Reason::Draining,
        Reason::Denied,
        Reason::Proxy,
    ];
    for reason in Reason::ALL {
        let error = TransportError::Refused { reason };
        assert_eq!(error.reason(), Some(reason));
        assert_eq!(
            error.is_retryable(),
            !is_final.contains(&reason),
            "{reason}"
        );
    }
}

#[test]
fn source_of_each_error_that_has_one() {
    let without = ["Timeout", "TooLarge", "RateLimited", "Busy", "Cancelled"];
    for (error, ..) in rows() {
        let name = format!("{error:?}");
        let has_text = error.source().map(ToString::to_string);
        if name.contains("cause") {
            assert_eq!(has_text.as_deref(), Some("cause"), "{name}");
        } else if name.contains("Kind(") {
            assert!(has_text.is_some(), "{name}");
        }
        if without.iter().any(|word| name.starts_with(word)) {
            assert_eq!(has_text, None, "{name}");
        }
    }
}

#[test]
fn only_tls_failures_have_a_tls_kind() {
    let kinds: Vec<_> = rows().iter().filter_map(|row| row.0.tls_kind()).collect();
    assert_eq!(kinds, [TlsErrorKind::Expired]);
}
