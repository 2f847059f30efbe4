//! TLS errors with a text for people and the cause as source.

use std::fmt;

use transport_core::{TlsErrorKind, TransportError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The source of a TLS error; its text contains no secret.
#[derive(Debug)]
struct TlsFailure {
    text: String,
    cause: Option<BoxError>,
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TlsFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Returns the error of files or settings that cannot be used.
pub(crate) fn tls(text: impl Into<String>) -> TransportError {
    failure(TlsErrorKind::Config, text.into(), None)
}

/// Returns the error of files or settings that cannot be used, with its cause.
pub(crate) fn tls_by(text: impl Into<String>, cause: impl Into<BoxError>) -> TransportError {
    failure(TlsErrorKind::Config, text.into(), Some(cause.into()))
}

/// Returns a TLS error of this kind.
pub(crate) fn failure(kind: TlsErrorKind, text: String, cause: Option<BoxError>) -> TransportError {
    TransportError::Tls {
        kind,
        source: Box::new(TlsFailure { text, cause }),
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
