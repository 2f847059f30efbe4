//! Conversion of Arti's errors to [`TransportError`].
//!
//! The texts name no host, no relay and no circuit. Arti's own error, which may, is the source.

use std::io;

use arti_client::{ErrorKind, HasKind};
use transport_core::{Failure, TransportError};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Replaces the target in error texts.
const HIDDEN_TARGET: &str = "the target";

/// Returns an error about settings that cannot be used.
pub(crate) fn config(text: impl Into<String>) -> TransportError {
    TransportError::Config {
        source: Failure::new(text).into(),
    }
}

/// As [`config`], with a cause.
pub(crate) fn config_by(text: impl Into<String>, cause: impl Into<Cause>) -> TransportError {
    TransportError::Config {
        source: Failure::new(text).caused_by(cause).into(),
    }
}

/// Returns an error about a Tor failure that may be temporary.
pub(crate) fn arti(text: impl Into<String>) -> TransportError {
    TransportError::Arti {
        source: Failure::new(text).into(),
    }
}

/// The likely origin of a failed dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Tor may be unreachable.
    Network,
    /// A remote party answered, or Arti rejected the target: Tor works.
    Target,
    Neither,
}

/// Classifies a dial error by its likely origin.
pub(crate) fn blame(kind: ErrorKind) -> Blame {
    use ErrorKind as K;
    match kind {
        K::TorAccessFailed
        | K::TorNetworkTimeout
        | K::TorDirectoryError
        | K::LocalNetworkError
        | K::CircuitCollapse
        | K::NoPath
        | K::NoExit
        | K::DirectoryExpired
        | K::TorDirectoryUnusable
        | K::TransientFailure
        | K::OnionServiceConnectionFailed
        | K::OnionServiceNotFound
        | K::BootstrapRequired
        | K::ReactorShuttingDown
        | K::ArtiShuttingDown => Blame::Network,
        K::RemoteConnectionRefused
        | K::RemoteHostNotFound
        | K::RemoteHostResolutionFailed
        | K::RemoteNetworkFailed
        | K::RemoteStreamClosed
        | K::RemoteStreamError
        | K::RemoteStreamReset
        | K::ExitPolicyRejected
        | K::OnionServiceNotRunning
        | K::OnionServiceMissingClientAuth
        | K::OnionServiceWrongClientAuth => Blame::Target,
        _ => Blame::Neither,
    }
}

/// Converts the error of a dial.
pub(crate) fn dial(error: arti_client::Error) -> TransportError {
    of_kind(error.kind(), error)
}

fn of_kind(kind: ErrorKind, cause: impl Into<Cause>) -> TransportError {
    use ErrorKind as K;
    let source = Failure::new(kind.to_string()).caused_by(cause).into();
    match kind {
        K::BootstrapRequired => TransportError::ArtiBootstrap,
        K::RemoteHostNotFound | K::RemoteHostResolutionFailed | K::OnionServiceNotFound => {
            TransportError::Resolve {
                host: HIDDEN_TARGET.to_owned(),
                source: io::Error::other(source),
            }
        }
        K::RemoteConnectionRefused => connect(io::ErrorKind::ConnectionRefused, source),
        K::RemoteStreamReset => connect(io::ErrorKind::ConnectionReset, source),
        K::RemoteNetworkTimeout | K::ExitTimeout => connect(io::ErrorKind::TimedOut, source),
        K::RemoteStreamError
        | K::RemoteStreamClosed
        | K::RemoteNetworkFailed
        | K::OnionServiceNotRunning
        | K::OnionServiceConnectionFailed => connect(io::ErrorKind::Other, source),
        K::InvalidStreamTarget
        | K::ForbiddenStreamTarget
        | K::OnionServiceAddressInvalid
        | K::ExitPolicyRejected
        | K::OnionServiceMissingClientAuth
        | K::OnionServiceWrongClientAuth
        | K::FeatureDisabled
        | K::NotImplemented
        | K::SoftwareDeprecated
        | K::BadApiUsage
        | K::InvalidConfig => TransportError::ArtiRefused { source },
        _ => TransportError::Arti { source },
    }
}

fn connect(kind: io::ErrorKind, source: Cause) -> TransportError {
    TransportError::Connect {
        target: HIDDEN_TARGET.to_owned(),
        source: io::Error::new(kind, source),
    }
}

/// Converts the error of a client or service start.
pub(crate) fn start(error: arti_client::Error) -> TransportError {
    let kind = error.kind();
    config_by(format!("Tor cannot start: {kind}"), error)
}

/// Converts the error of an accept on the onion service.
pub(crate) fn accept(error: tor_hsservice::ClientError) -> TransportError {
    TransportError::Arti {
        source: Failure::new("a client's circuit to the onion service failed")
            .caused_by(error)
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_kinds_mapped_with_retryability() {
        use ErrorKind as K;
        for (kind, name, retryable) in [
            (K::BootstrapRequired, "arti_bootstrap", true),
            (K::TorAccessFailed, "arti", true),
            (K::ExitPolicyRejected, "arti_refused", false),
            (K::RemoteHostResolutionFailed, "resolve", true),
            (K::RemoteStreamError, "connect", true),
            (K::RemoteConnectionRefused, "connect", true),
            (K::InvalidStreamTarget, "arti_refused", false),
            (K::OnionServiceNotFound, "resolve", true),
            (K::OnionServiceConnectionFailed, "connect", true),
            (K::OnionServiceMissingClientAuth, "arti_refused", false),
        ] {
            let error = of_kind(kind, "test cause");
            assert_eq!(error.kind(), name, "{kind:?}");
            assert_eq!(error.is_retryable(), retryable, "{kind:?}");
            assert!(!error.to_string().contains("test cause"), "{error}");
        }
    }
}
