//! The causes of failed handshakes as [`TlsErrorKind`]s.

use tokio_rustls::rustls::{CertificateError, Error, OtherError, PeerIncompatible, PeerMisbehaved};
use transport_core::TlsErrorKind as Kind;

use crate::peers::PinMismatch;

/// The cause of a failure of rustls; `opening` is the first bytes that the peer sent.
pub(super) fn of(error: &Error, opening: &[u8]) -> Kind {
    match error {
        Error::InvalidMessage(_) if super::is_http(opening) => Kind::PlainHttp,
        Error::InvalidMessage(_) if !super::is_record(opening) => Kind::NotTls,
        Error::InvalidCertificate(error) => certificate(error),
        Error::PeerIncompatible(error) => incompatible(error),
        Error::AlertReceived(description) => Kind::Alert(u8::from(*description)),
        Error::NoCertificatesPresented => Kind::NoCertificate,
        Error::NoApplicationProtocol
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            Kind::NoCommonAlpn
        }
        _ => Kind::Other,
    }
}

fn certificate(error: &CertificateError) -> Kind {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => Kind::UnknownCa,
        E::Expired | E::ExpiredContext { .. } => Kind::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => Kind::NotYetValid,
        E::NotValidForName | E::NotValidForNameContext { .. } => Kind::WrongName,
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Kind::WrongPurpose,
        E::ApplicationVerificationFailure => Kind::NameNotAllowed,
        E::Other(other) if other.0.is::<PinMismatch>() => Kind::PinMismatch,
        E::Other(other) if is_name_constraint(other) => Kind::NameConstraint,
        _ => Kind::BadCertificate,
    }
}

/// Whether a name of the chain violates the constraints of an authority (RFC 5280 §4.2.1.10).
pub(super) fn is_name_constraint(error: &OtherError) -> bool {
    let error = error.0.downcast_ref::<webpki::Error>();
    matches!(error, Some(webpki::Error::NameConstraintViolation))
}

fn incompatible(error: &PeerIncompatible) -> Kind {
    use PeerIncompatible as E;
    match error {
        E::NoKxGroupsInCommon => Kind::NoCommonGroup,
        E::SupportedVersionsExtensionRequired
        | E::Tls12NotOffered
        | E::Tls12NotOfferedOrEnabled
        | E::ServerDoesNotSupportTls12Or13
        | E::ServerTlsVersionIsDisabledByOurConfig => Kind::NoCommonVersion,
        _ => Kind::Other,
    }
}
