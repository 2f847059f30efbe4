//! TLS errors with a text for people and the cause as source.

use transport_core::{BoxError, Failure, TlsErrorKind, TransportError};

/// Returns the error of files or settings that cannot be used.
pub(crate) fn tls(text: impl Into<String>) -> TransportError {
    failure(TlsErrorKind::Config, text.into(), None)
}

/// Returns the error of unusable files or settings, with its cause.
pub(crate) fn tls_by(text: impl Into<String>, cause: impl Into<BoxError>) -> TransportError {
    failure(TlsErrorKind::Config, text.into(), Some(cause.into()))
}

/// Returns a TLS error of this kind.
pub(crate) fn failure(kind: TlsErrorKind, text: String, cause: Option<BoxError>) -> TransportError {
    let failure = Failure::new(text);
    let failure = match cause {
        Some(cause) => failure.caused_by(cause),
        None => failure,
    };
    TransportError::Tls {
        kind,
        source: Box::new(failure),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn error_shows_text_and_keeps_cause() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = tls_by("tls cert read failed", cause);
        assert_eq!(error.to_string(), "tls: tls cert read failed");
        let failure = error.source().unwrap();
        assert!(failure.source().unwrap().is::<std::io::Error>());
        assert!(tls("no").source().unwrap().source().is_none());
    }
}
