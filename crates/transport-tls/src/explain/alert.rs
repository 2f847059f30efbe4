//! Texts for the alerts of RFC 8446 §6.2.

use tokio_rustls::rustls::AlertDescription as Alert;

/// Explains the alert that a peer sent.
pub(super) fn alert(description: Alert) -> String {
    let (name, meaning) = match description {
        Alert::UnexpectedMessage => ("unexpected_message", ""),
        Alert::BadRecordMac => ("bad_record_mac", ""),
        Alert::RecordOverflow => ("record_overflow", ""),
        Alert::HandshakeFailure => (
            "handshake_failure",
            "no acceptable set of parameters in common",
        ),
        Alert::BadCertificate => ("bad_certificate", "the peer refused our certificate"),
        Alert::UnsupportedCertificate => (
            "unsupported_certificate",
            "the peer does not support the type of our certificate",
        ),
        Alert::CertificateRevoked => (
            "certificate_revoked",
            "the peer reports that our certificate is revoked",
        ),
        Alert::CertificateExpired => (
            "certificate_expired",
            "our certificate has expired by the peer's clock",
        ),
        Alert::CertificateUnknown => ("certificate_unknown", "the peer refused our certificate"),
        Alert::IllegalParameter => ("illegal_parameter", ""),
        Alert::UnknownCA => (
            "unknown_ca",
            "the peer does not trust the issuer of our certificate",
        ),
        Alert::AccessDenied => ("access_denied", "the peer does not allow our certificate"),
        Alert::DecodeError => ("decode_error", ""),
        Alert::DecryptError => ("decrypt_error", ""),
        Alert::ProtocolVersion => ("protocol_version", "the peer does not speak TLS 1.3"),
        Alert::InsufficientSecurity => ("insufficient_security", ""),
        Alert::InternalError => ("internal_error", ""),
        Alert::UserCanceled => ("user_canceled", ""),
        Alert::MissingExtension => ("missing_extension", ""),
        Alert::UnsupportedExtension => ("unsupported_extension", ""),
        Alert::UnrecognisedName => (
            "unrecognized_name",
            "the peer does not serve the name that we asked for (SNI)",
        ),
        Alert::CertificateRequired => (
            "certificate_required",
            "the peer requires a certificate from us",
        ),
        Alert::NoApplicationProtocol => ("no_application_protocol", "no ALPN name in common"),
        other => return format!("the peer sent alert {}", u8::from(other)),
    };
    if meaning.is_empty() {
        return format!("the peer sent alert {name}");
    }
    format!("the peer sent alert {name}: {meaning}")
}

/// Returns whether servers send this alert for a missing common group.
pub(super) const fn can_mean_no_common_group(description: Alert) -> bool {
    matches!(
        description,
        Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::IllegalParameter
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_names_or_numbers() {
        assert_eq!(
            alert(Alert::UnknownCA),
            "the peer sent alert unknown_ca: the peer does not trust the issuer of our certificate"
        );
        assert_eq!(
            alert(Alert::DecodeError),
            "the peer sent alert decode_error"
        );
        assert_eq!(alert(Alert::Unknown(200)), "the peer sent alert 200");
    }
}
