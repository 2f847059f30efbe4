//! Error texts for failed handshakes and streams, and their classification.
//!
//! No other file interprets errors of rustls.

mod alert;
mod first_bytes;
mod kind;

use std::io;

use tokio_rustls::rustls::{
    CertRevocationListError, CertificateError, Error, InvalidMessage, PeerIncompatible,
    PeerMisbehaved,
};
use transport_core::escape::{escape, escape_composed};
use transport_core::{TlsErrorKind, TransportError};

use crate::error::failure;
use crate::peers::PinMismatch;
use alert::alert;
use first_bytes::{is_http, is_record, no_common_version, ssl2};
use kind::{is_name_constraint, kind};

/// Maximum of the peer's names in an error.
///
/// A certificate can have thousands.
const MAX_NAMES: usize = 3;
/// Most characters of a shown name, so that three names fit.
const MAX_NAME_CHARS: usize = 80;
/// Longest text in bytes.
///
/// It is logged, and the peer controls parts of it.
const MAX_TEXT_BYTES: usize = 400;

/// The facts about a handshake that its error text depends on.
pub(crate) struct FailureContext<'a> {
    /// Whether this side dialed, so that the peer is the server.
    pub(crate) dialed: bool,
    /// Whether texts must not identify the peer.
    pub(crate) private: bool,
    /// Whether `pq.mode` is `required` on this side.
    pub(crate) requires_pq: bool,
    /// The first bytes that the peer sent.
    pub(crate) first_bytes: &'a [u8],
}

/// Returns the error of a client that disconnected before its first byte.
///
/// Health checks do that. It is neither a TLS failure nor a reject.
///
/// # Errors
/// Returns `error` if it is another failure.
pub(crate) fn closed_before_start(
    error: io::Error,
    context: &FailureContext<'_>,
) -> Result<TransportError, io::Error> {
    if context.dialed || !context.first_bytes.is_empty() || rustls_error(&error).is_some() {
        return Err(error);
    }
    Ok(if error.kind() == io::ErrorKind::UnexpectedEof {
        TransportError::Closed
    } else {
        error.into()
    })
}

/// Returns the error of a failed handshake: always `tls`, with its source.
pub(crate) fn handshake(error: io::Error, context: &FailureContext<'_>) -> TransportError {
    let text = match rustls_error(&error) {
        Some(error) => handshake_text(error, context),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection during the handshake".to_owned()
        }
        None => format!("the connection failed during the handshake: {error}"),
    };
    let kind = match rustls_error(&error) {
        Some(error) => kind(error, context.first_bytes),
        None => TlsErrorKind::Ended,
    };
    // The source can name the peer.
    let source = (!context.private).then(|| error.into());
    failure(kind, bounded(&text), source)
}

/// Returns the error of an established stream.
///
/// A missing `close_notify` is `TlsTruncated` and a TLS failure is `Tls`. Errors of the connection
/// below stay as they are.
pub(crate) fn stream(error: io::Error) -> io::Error {
    if TransportError::find(&error).is_some() {
        return error;
    }
    let text = match rustls_error(&error) {
        Some(Error::AlertReceived(description)) => Some(alert(*description)),
        Some(error) => Some(format!("the TLS stream failed: {error}")),
        None => None,
    };
    let kind = rustls_error(&error).map_or(TlsErrorKind::Other, |error| kind(error, &[]));
    match text {
        Some(text) => failure(kind, bounded(&text), Some(error.into())).into(),
        // rustls reports it for a stream that ends without `close_notify` (RFC 8446 §6.1).
        None if error.kind() == io::ErrorKind::UnexpectedEof => TransportError::TlsTruncated.into(),
        None => error,
    }
}

/// Returns the error of a session older than TLS 1.3.
pub(crate) fn old_version() -> TransportError {
    let text = "no TLS version in common: TLS 1.3 is required";
    failure(TlsErrorKind::NoCommonVersion, text.to_owned(), None)
}

/// Returns the error of a resumed session with an expired certificate.
pub(crate) fn expired_since(dialed: bool) -> TransportError {
    let whose = if dialed { "server" } else { "client" };
    let text = format!(
        "resumption refused: the {whose}'s certificate, or another one of its chain, has expired \
         since the full handshake"
    );
    failure(TlsErrorKind::Expired, text, None)
}

/// Returns the error of a resumed session that the current rules refuse.
///
/// It contains no name of the peer.
pub(crate) fn resumed(error: &Error, dialed: bool) -> TransportError {
    let context = FailureContext {
        dialed,
        private: true,
        requires_pq: false,
        first_bytes: &[],
    };
    let text = format!("resumption refused: {}", handshake_text(error, &context));
    failure(kind(error, &[]), bounded(&text), None)
}

/// Escapes and cuts a text, which can contain bytes of the peer.
fn bounded(text: &str) -> String {
    let mut text = escape_composed(text).to_string();
    if text.len() > MAX_TEXT_BYTES {
        let is_char = |at: &usize| text.is_char_boundary(*at);
        let end = (0..=MAX_TEXT_BYTES).rev().find(is_char).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn handshake_text(error: &Error, context: &FailureContext<'_>) -> String {
    match error {
        Error::InvalidMessage(message) => not_tls(*message, context.first_bytes),
        Error::InvalidCertificate(error) => certificate(error, context),
        Error::InvalidCertRevocationList(error) => revocation_list(error, context),
        Error::PeerIncompatible(error) => incompatible(error, context),
        Error::AlertReceived(description) => {
            let hint = if context.requires_pq {
                " (pq.mode is required here: the peer may not support X25519MLKEM768)"
            } else {
                ""
            };
            let is_possible = alert::can_mean_no_common_group(*description);
            alert(*description) + if is_possible { hint } else { "" }
        }
        Error::NoCertificatesPresented => {
            "the client presented no certificate, and one is required".to_owned()
        }
        Error::NoApplicationProtocol => {
            "no application protocol (ALPN) in common with the peer".to_owned()
        }
        Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            "the server chose an application protocol (ALPN) that was not offered".to_owned()
        }
        Error::PeerSentOversizedRecord => "the peer sent an oversized record".to_owned(),
        Error::DecryptError => "the peer sent a record that cannot be decrypted".to_owned(),
        other => format!("the handshake failed: {other}"),
    }
}

/// Explains an invalid record by the protocol that the peer spoke.
fn not_tls(message: InvalidMessage, first_bytes: &[u8]) -> String {
    if is_http(first_bytes) {
        "the peer spoke HTTP, not TLS".to_owned()
    } else if let Some(text) = ssl2(first_bytes) {
        text
    } else if is_record(first_bytes) {
        format!("the peer sent a malformed message: {message:?}")
    } else {
        "the peer did not speak TLS".to_owned()
    }
}

fn certificate(error: &CertificateError, context: &FailureContext<'_>) -> String {
    use CertificateError as E;
    let (whose, table) = if context.dialed {
        ("server", "tls_client")
    } else {
        ("client", "tls")
    };
    match error {
        E::UnknownIssuer => {
            let store = if context.dialed {
                "the trust store (tls_client)"
            } else {
                "tls.client_ca_path"
            };
            format!("the {whose}'s certificate is not issued by an authority of {store}")
        }
        E::Expired | E::ExpiredContext { .. } => {
            format!("the {whose}'s certificate has expired")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            format!("the {whose}'s certificate is not valid yet")
        }
        E::NotValidForName | E::NotValidForNameContext { .. } if context.private => {
            format!("the {whose}'s certificate is for another name")
        }
        E::NotValidForName => format!("the {whose}'s certificate is for another name"),
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            let shown = presented.iter().take(MAX_NAMES);
            let shown = shown.map(|name| escape(bare(name)).max_chars(MAX_NAME_CHARS).to_string());
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = presented.len().saturating_sub(MAX_NAMES);
            let rest = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let expected = expected.to_str();
            format!("the {whose}'s certificate is not for {expected}, but for: {shown}{rest}")
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            format!("the {whose}'s certificate is for another purpose (extended key usage)")
        }
        E::BadSignature => format!("the {whose}'s certificate has a wrong signature"),
        E::Revoked => format!(
            "the {whose}'s certificate is revoked, or one above it in its chain is ({})",
            crl_path(context)
        ),
        E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => format!(
            "the CRL for the {whose}'s certificate, or for one above it in its chain, has expired: \
             install the issuer's current CRL ({})",
            crl_path(context)
        ),
        E::UnknownRevocationStatus => format!(
            "no CRL covers the {whose}'s certificate, or one above it in its chain: install the \
             CRLs of all issuers ({})",
            crl_path(context)
        ),
        E::ApplicationVerificationFailure => {
            format!("the {whose}'s certificate has no name that {table}.allow_sans lists")
        }
        E::Other(other) if other.0.is::<PinMismatch>() => {
            format!("the {whose}'s verified chain has no key that {table}.spki_pins lists")
        }
        E::Other(other) if is_name_constraint(other) => format!(
            "a name of the {whose}'s certificate violates the name constraints of an authority in \
             its chain"
        ),
        _ if context.private => format!("the {whose}'s certificate was refused"),
        other => format!("the {whose}'s certificate was refused: {other}"),
    }
}

/// Explains a CRL that cannot be used for the peer's chain.
fn revocation_list(error: &CertRevocationListError, context: &FailureContext<'_>) -> String {
    use CertRevocationListError as E;
    let (whose, path) = (
        if context.dialed { "server" } else { "client" },
        crl_path(context),
    );
    match error {
        E::BadSignature => format!(
            "the CRL for the {whose}'s certificate, or for one above it in its chain, has the \
             issuer's name and the signature of another key ({path})"
        ),
        E::IssuerInvalidForCrl => format!(
            "the issuer of the {whose}'s certificate, or of one above it in its chain, must not \
             sign CRLs (key usage without cRLSign, {path})"
        ),
        other => format!("a CRL of {path} cannot be used: {other:?}"),
    }
}

/// Returns the configuration key of this side's CRL files.
const fn crl_path(context: &FailureContext<'_>) -> &'static str {
    if context.dialed {
        "tls_client.crl_path"
    } else {
        "tls.crl_path"
    }
}

fn incompatible(error: &PeerIncompatible, context: &FailureContext<'_>) -> String {
    use PeerIncompatible as E;
    match error {
        E::NoKxGroupsInCommon if context.requires_pq => {
            "no key exchange in common: pq.mode is required here, and the peer does not \
             support X25519MLKEM768"
                .to_owned()
        }
        E::NoKxGroupsInCommon => "no key exchange group in common with the peer".to_owned(),
        E::NoCipherSuitesInCommon => "no cipher suite in common with the peer".to_owned(),
        E::NoSignatureSchemesInCommon | E::NoCertificateRequestSignatureSchemesInCommon => {
            "no signature scheme in common with the peer".to_owned()
        }
        E::SupportedVersionsExtensionRequired
        | E::Tls12NotOffered
        | E::Tls12NotOfferedOrEnabled
        | E::ServerDoesNotSupportTls12Or13
        | E::ServerTlsVersionIsDisabledByOurConfig
        // Mandatory in a TLS 1.3 hello, optional in TLS 1.2 (RFC 5246 §7.4.1.4.1).
        | E::SignatureAlgorithmsExtensionRequired => no_common_version(context.first_bytes),
        other => format!("the peer does not support what TLS 1.3 needs here: {other:?}"),
    }
}

/// Strips the wrapper of rustls from a name: `DnsName("a.example")`.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut() {
        assert_eq!(bounded("short"), "short");
        let cut = bounded(&("é".repeat(9_999) + "x"));
        assert_eq!(cut.chars().count(), MAX_TEXT_BYTES / 2 + 1);
        let error = Error::General("x".repeat(100_000));
        let context = FailureContext {
            dialed: false,
            private: false,
            requires_pq: false,
            first_bytes: &[],
        };
        let error = handshake(io::Error::new(io::ErrorKind::InvalidData, error), &context);
        assert!(error.to_string().len() < MAX_TEXT_BYTES + 20);
    }

    #[test]
    fn error_of_lower_stream_is_unchanged() {
        let reset = stream(io::ErrorKind::ConnectionReset.into());
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        assert!(TransportError::find(&reset).is_none());
        let timeout = TransportError::Timeout {
            op: transport_core::Op::Read,
        };
        let error = stream(timeout.into());
        assert_eq!(
            TransportError::find(&error).map(TransportError::kind),
            Some(transport_core::ErrorKind::Timeout)
        );
    }
}
