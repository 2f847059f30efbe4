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
    /// Every alert of RFC 8446 §6 has its name there.
    #[test]
    fn alerts_of_tls13_have_names() {
        let names = [
            (10, "unexpected_message"),
            (20, "bad_record_mac"),
            (22, "record_overflow"),
            (40, "handshake_failure"),
            (42, "bad_certificate"),
            (43, "unsupported_certificate"),
            (44, "certificate_revoked"),
            (45, "certificate_expired"),
            (46, "certificate_unknown"),
            (47, "illegal_parameter"),
            (48, "unknown_ca"),
            (49, "access_denied"),
            (50, "decode_error"),
            (51, "decrypt_error"),
            (70, "protocol_version"),
            (71, "insufficient_security"),
            (80, "internal_error"),
            (90, "user_canceled"),
            (109, "missing_extension"),
            (110, "unsupported_extension"),
            (112, "unrecognized_name"),
            (116, "certificate_required"),
            (120, "no_application_protocol"),
        ];
        for (number, name) in names {
            let text = alert(Alert::from(number));
            let rest = text.strip_prefix("the peer sent alert ").unwrap();
            assert_eq!(rest.split(':').next(), Some(name), "{number}");
        }
    }
}
