//! Alerts by their names (RFC 8446 §6.2), with what they mean here.

use tokio_rustls::rustls::AlertDescription as Alert;

/// What a peer said when it ended the connection.
pub(super) fn alert(description: Alert) -> String {
    let (name, meaning) = match description {
        Alert::UnexpectedMessage => ("unexpected_message", ""),
        Alert::BadRecordMac => ("bad_record_mac", ""),
        Alert::RecordOverflow => ("record_overflow", ""),
        Alert::HandshakeFailure => ("handshake_failure", "nothing in common with it"),
        Alert::BadCertificate => ("bad_certificate", "it refused our certificate"),
        Alert::UnsupportedCertificate => {
            ("unsupported_certificate", "it cannot use our certificate")
        }
        Alert::CertificateRevoked => ("certificate_revoked", "ours"),
        Alert::CertificateExpired => ("certificate_expired", "ours, by its clock"),
        Alert::CertificateUnknown => ("certificate_unknown", "it refused our certificate"),
        Alert::IllegalParameter => ("illegal_parameter", ""),
        Alert::UnknownCA => ("unknown_ca", "it does not trust who issued our certificate"),
        Alert::AccessDenied => ("access_denied", "our certificate may not come in"),
        Alert::DecodeError => ("decode_error", ""),
        Alert::DecryptError => ("decrypt_error", ""),
        Alert::ProtocolVersion => ("protocol_version", "it does not speak TLS 1.3"),
        Alert::InsufficientSecurity => ("insufficient_security", ""),
        Alert::InternalError => ("internal_error", ""),
        Alert::UserCanceled => ("user_canceled", ""),
        Alert::MissingExtension => ("missing_extension", ""),
        Alert::UnsupportedExtension => ("unsupported_extension", ""),
        Alert::UnrecognisedName => ("unrecognized_name", "it has no such name"),
        Alert::CertificateRequired => ("certificate_required", "it wants one of us"),
        Alert::NoApplicationProtocol => ("no_application_protocol", "no ALPN name in common"),
        other => return format!("the peer sent alert {}", u8::from(other)),
    };
    if meaning.is_empty() {
        return format!("the peer sent alert {name}");
    }
    format!("the peer sent alert {name}: {meaning}")
}

/// Whether a server may mean our key exchange groups by it.
pub(super) const fn may_be_of_groups(description: Alert) -> bool {
    matches!(
        description,
        Alert::HandshakeFailure | Alert::InsufficientSecurity | Alert::IllegalParameter
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_go_by_their_names_or_numbers() {
        assert_eq!(
            alert(Alert::UnknownCA),
            "the peer sent alert unknown_ca: it does not trust who issued our certificate"
        );
        assert_eq!(
            alert(Alert::DecodeError),
            "the peer sent alert decode_error"
        );
        assert_eq!(alert(Alert::Unknown(200)), "the peer sent alert 200");
    }
}
