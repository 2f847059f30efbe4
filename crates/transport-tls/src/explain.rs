//! Why a handshake or a stream failed, in words that an operator can act on. The one place where
//! failures of rustls are classified.

mod alert;
mod kind;
mod version;

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
use kind::{is_name_constraint, kind};
use version::{no_version, ssl2};

/// Names of the peer that an error shows; a certificate may bear thousands.
const MAX_NAMES: usize = 3;

/// Characters of such a name that are shown: three of them fit.
const MAX_NAME_CHARS: usize = 80;

/// Longest explanation in bytes: parts of it may be the peer's, and it is logged.
const MAX_TEXT_BYTES: usize = 400;

/// Which end of the handshake we were, and what was context of the other.
pub(crate) struct FailureContext<'a> {
    /// We dialed, and the peer is the server.
    pub(crate) dialed: bool,
    /// Who the peer is must not be told.
    pub(crate) private: bool,
    /// `pq.mode` is `required` here.
    pub(crate) requires_pq: bool,
    /// The first bytes that the peer sent.
    pub(crate) first_bytes: &'a [u8],
}

/// A connection that ended before the client sent a byte, as health checks do: no failure of TLS,
/// and no reject.
pub(crate) fn unbegun(
    error: io::Error,
    context: &FailureContext<'_>,
) -> Result<TransportError, io::Error> {
    if context.dialed || !context.first_bytes.is_empty() || of_rustls(&error).is_some() {
        return Err(error);
    }
    Ok(if error.kind() == io::ErrorKind::UnexpectedEof {
        TransportError::Closed
    } else {
        error.into()
    })
}

/// A failed handshake: always of the kind `tls`, the source kept.
pub(crate) fn handshake(error: io::Error, context: &FailureContext<'_>) -> TransportError {
    let text = match of_rustls(&error) {
        Some(error) => handshake_text(error, context),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection before the handshake was over".to_owned()
        }
        None => format!("the connection failed in the handshake: {error}"),
    };
    let kind = match of_rustls(&error) {
        Some(error) => kind(error, context.first_bytes),
        None => TlsErrorKind::Ended,
    };
    // The source names the peer.
    let source = (!context.private).then(|| error.into());
    failure(kind, bounded(&text), source)
}

/// A failure of an established stream: a missing `close_notify` is `TlsTruncated`, what TLS itself
/// finds wrong is `Tls`, and what the connection below says stays as it is.
pub(crate) fn stream(error: io::Error) -> io::Error {
    if TransportError::find(&error).is_some() {
        return error;
    }
    let text = match of_rustls(&error) {
        Some(Error::AlertReceived(description)) => Some(alert(*description)),
        Some(error) => Some(format!("the stream is broken: {error}")),
        None => None,
    };
    let kind = of_rustls(&error).map_or(TlsErrorKind::Other, |error| kind(error, &[]));
    match text {
        Some(text) => failure(kind, bounded(&text), Some(error.into())).into(),
        // rustls gives it where the stream ends without `close_notify` (RFC 8446 §6.1).
        None if error.kind() == io::ErrorKind::UnexpectedEof => TransportError::TlsTruncated.into(),
        None => error,
    }
}

/// A session that ended up below TLS 1.3.
pub(crate) fn old_version() -> TransportError {
    let text = "no TLS version in common: TLS 1.3 is needed";
    failure(TlsErrorKind::NoCommonVersion, text.to_owned(), None)
}

/// A session that was resumed after a certificate of the peer's chain had expired.
pub(crate) fn expired_since(dialed: bool) -> TransportError {
    let whose = if dialed { "server" } else { "client" };
    let text = format!(
        "the {whose}'s certificate, or one that the {whose} sent with it, has expired since the \
         session began"
    );
    failure(TlsErrorKind::Expired, text, None)
}

/// A resumed session whose peer the rules in force refuse. No name of the peer is in it.
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

/// Every text leaves through it: what rustls says of a peer may hold the peer's bytes.
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

fn of_rustls(error: &io::Error) -> Option<&Error> {
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
                " (pq.mode is required here: the peer may have no X25519MLKEM768)"
            } else {
                ""
            };
            let is_of_groups = alert::may_be_of_groups(*description);
            alert(*description) + if is_of_groups { hint } else { "" }
        }
        Error::NoCertificatesPresented => {
            "the client showed no certificate, and one is required".to_owned()
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

/// A record that is none: what did the peer speak instead?
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

/// Whether a peer's first bytes, if any, begin a record of TLS (RFC 8446 §5.1): change_cipher_spec,
/// alert, handshake, application_data.
const fn is_record(first_bytes: &[u8]) -> bool {
    matches!(first_bytes.first(), None | Some(20..=23))
}

/// Whether a peer's first bytes begin a request or an answer of HTTP.
fn is_http(first_bytes: &[u8]) -> bool {
    /// How a request or an answer of HTTP begins (RFC 9110 §9, RFC 9112 §4, RFC 9113 §3.4).
    const HTTP: [&[u8]; 10] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"DELETE ",
        b"CONNECT ",
        b"OPTIONS ",
        b"PATCH ",
        b"PRI ",
        b"HTTP/",
    ];
    let http = |start: &[u8]| {
        let len = start.len().min(first_bytes.len());
        len >= 4 && first_bytes[..len] == start[..len]
    };
    HTTP.into_iter().any(http)
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
            let and = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let expected = expected.to_str();
            format!("the {whose}'s certificate is not for {expected}, but for: {shown}{and}")
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            format!("the {whose}'s certificate is for another purpose (extended key usage)")
        }
        E::BadSignature => format!("the {whose}'s certificate bears a wrong signature"),
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
            format!("the {whose}'s certificate bears no name of {table}.allow_sans")
        }
        E::Other(other) if other.0.is::<PinMismatch>() => {
            format!("the {whose}'s verified chain has no key of {table}.spki_pins")
        }
        E::Other(other) if is_name_constraint(other) => format!(
            "a name of the {whose}'s certificate violates the name constraints of an authority in \
             its chain"
        ),
        _ if context.private => format!("the {whose}'s certificate was refused"),
        other => format!("the {whose}'s certificate was refused: {other}"),
    }
}

/// A CRL that cannot prove anything about the peer's chain.
fn revocation_list(error: &CertRevocationListError, context: &FailureContext<'_>) -> String {
    use CertRevocationListError as E;
    let (whose, path) = (
        if context.dialed { "server" } else { "client" },
        crl_path(context),
    );
    match error {
        E::BadSignature => format!(
            "the CRL for the {whose}'s certificate, or for one above it in its chain, bears the \
             issuer's name and was signed by another key ({path})"
        ),
        E::IssuerInvalidForCrl => format!(
            "the issuer of the {whose}'s certificate, or of one above it in its chain, may not \
             sign CRLs (key usage without cRLSign, {path})"
        ),
        other => format!("a CRL of {path} cannot be used: {other:?}"),
    }
}

/// The key that names the CRLs of this side.
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
            "no key exchange in common: pq.mode is required here, and the peer has no \
             X25519MLKEM768"
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
        // A client of TLS 1.3 has both, and one of TLS 1.2 need not have the first (RFC 5246
        // §7.4.1.4.1).
        | E::SignatureAlgorithmsExtensionRequired => no_version(context.first_bytes),
        other => format!("the peer lacks what is needed: {other:?}"),
    }
}

/// A name without what rustls puts around it: `DnsName("a.example")`.
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
    fn what_a_peer_made_long_is_cut() {
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
    fn what_the_connection_below_says_stays_as_it_is() {
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
