//! Failures as sentences. What the library underneath said is kept as their source.

use std::fmt;

use transport_core::{TlsErrorKind, TransportError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, in words that name no secret.
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

/// Files or settings that cannot be used, without a deeper cause.
pub(crate) fn tls(text: impl Into<String>) -> TransportError {
    failure(TlsErrorKind::Config, text.into(), None)
}

/// Files or settings that cannot be used, and what caused it.
pub(crate) fn tls_by(text: impl Into<String>, cause: impl Into<BoxError>) -> TransportError {
    failure(TlsErrorKind::Config, text.into(), Some(cause.into()))
}

/// A TLS failure of this kind.
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
    fn the_sentence_is_shown_and_the_cause_is_kept() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = tls_by("tls cert read failed", cause);
        assert_eq!(error.to_string(), "tls: tls cert read failed");
        let failure = error.source().unwrap();
        assert!(failure.source().unwrap().is::<std::io::Error>());
        assert!(tls("no").source().unwrap().source().is_none());
    }
}
