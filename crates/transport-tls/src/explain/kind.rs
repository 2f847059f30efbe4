//! The [`TlsErrorKind`](transport_core::TlsErrorKind) of a rustls error.

use tokio_rustls::rustls::{
    AlertDescription, CertificateError, Error, OtherError, PeerIncompatible, PeerMisbehaved,
};
use transport_core::TlsErrorKind as Kind;

use super::first_bytes::{is_http, is_record};
use crate::hello::is_ssl2;
use crate::peers::PinMismatch;

/// Returns the kind of a failure, given the peer's first bytes.
pub(super) fn kind(error: &Error, first_bytes: &[u8]) -> Kind {
    match error {
        Error::InvalidMessage(_) if is_http(first_bytes) => Kind::PlainHttp,
        Error::InvalidMessage(_) if is_ssl2(first_bytes) => Kind::NoCommonVersion,
        Error::InvalidMessage(_) if !is_record(first_bytes) => Kind::NotTls,
        Error::InvalidCertificate(error) => certificate(error),
        Error::InvalidCertRevocationList(_) => Kind::CrlInvalid,
        Error::NoCertificatesPresented => Kind::CertificateRequired,
        Error::NoApplicationProtocol
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol)
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Kind::NoCommonAlpn,
        Error::AlertReceived(alert) => Kind::Alert(u8::from(*alert)),
        Error::PeerIncompatible(error) => incompatible(error),
        _ => Kind::Other,
    }
}

fn certificate(error: &CertificateError) -> Kind {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => Kind::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => Kind::NotYetValid,
        E::UnknownIssuer => Kind::UnknownCa,
        E::NotValidForName | E::NotValidForNameContext { .. } => Kind::WrongName,
        E::ApplicationVerificationFailure => Kind::NotAllowed,
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Kind::WrongPurpose,
        E::Other(other) if other.0.is::<PinMismatch>() => Kind::PinMismatch,
        E::Other(other) if is_name_constraint(other) => Kind::NameConstraint,
        E::Revoked => Kind::Revoked,
        E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => Kind::CrlExpired,
        E::UnknownRevocationStatus => Kind::RevocationUnknown,
        _ => Kind::BadCertificate,
    }
}

/// Returns whether an error is a name constraint violation (RFC 5280 §4.2.1.10).
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
        | E::ServerTlsVersionIsDisabledByOurConfig
        | E::SignatureAlgorithmsExtensionRequired => Kind::NoCommonVersion,
        _ => Kind::Other,
    }
}
