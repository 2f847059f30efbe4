//! Arti's errors as the transport's. Their texts name no host, no relay and no circuit: what Arti
//! itself said is their source.

use std::io;

use arti_client::{ErrorKind, HasKind};
use transport_core::{Failure, TransportError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What stands for a target in a text.
const TARGET: &str = "the target";

/// Settings that cannot be used.
pub(crate) fn config(text: impl Into<String>) -> TransportError {
    TransportError::Config {
        source: Failure::new(text).into(),
    }
}

/// Settings that cannot be used, and what says so.
pub(crate) fn config_by(text: impl Into<String>, cause: impl Into<BoxError>) -> TransportError {
    TransportError::Config {
        source: Failure::new(text).caused_by(cause).into(),
    }
}

/// A failure of Tor's that may pass.
pub(crate) fn arti(text: impl Into<String>) -> TransportError {
    TransportError::Arti {
        source: Failure::new(text).into(),
    }
}

/// What an error says about the network, whatever it says about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blames {
    /// Tor itself may be out of reach.
    Network,
    /// Tor carried the question to where it was answered, or refused to ask it.
    Target,
    /// Neither.
    Nobody,
}

/// What to make of a kind of error.
pub(crate) fn blames(kind: ErrorKind) -> Blames {
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
        | K::ArtiShuttingDown => Blames::Network,
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
        | K::OnionServiceWrongClientAuth => Blames::Target,
        _ => Blames::Nobody,
    }
}

/// A dial's failure.
pub(crate) fn dial(error: arti_client::Error) -> TransportError {
    of_kind(error.kind(), error)
}

fn of_kind(kind: ErrorKind, cause: impl Into<BoxError>) -> TransportError {
    use ErrorKind as K;
    let source = Failure::new(kind.to_string()).caused_by(cause).into();
    match kind {
        K::BootstrapRequired => TransportError::ArtiBootstrap,
        K::RemoteHostNotFound | K::RemoteHostResolutionFailed | K::OnionServiceNotFound => {
            TransportError::Resolve {
                host: TARGET.to_owned(),
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

fn connect(kind: io::ErrorKind, source: BoxError) -> TransportError {
    TransportError::Connect {
        target: TARGET.to_owned(),
        source: io::Error::new(kind, source),
    }
}

/// A client that could not be made.
pub(crate) fn start(error: arti_client::Error) -> TransportError {
    let kind = error.kind();
    config_by(format!("tor cannot start: {kind}"), error)
}

/// What failed while a client of the onion service was let in.
pub(crate) fn accept(error: tor_hsservice::ClientError) -> TransportError {
    TransportError::Arti {
        source: Failure::new("the circuit of a client failed")
            .caused_by(error)
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_mapped_and_say_whether_a_retry_helps() {
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
            let error = of_kind(kind, "of a test");
            assert_eq!(error.kind(), name, "{kind:?}");
            assert_eq!(error.is_retryable(), retryable, "{kind:?}");
            assert!(!error.to_string().contains("of a test"), "{error}");
        }
    }
}
