//! Pins of public keys.

use std::fmt;
use std::str::FromStr;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use transport_core::schema::ValueError;

/// A pinned public key.
///
/// SHA-256 of the subject public key info (RFC 7469 §2.4). The text is base64. A prefix `sha256/`
/// or `sha256//` is accepted. This command prints the pin of a certificate:
///
/// ```sh
/// openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der |
///     openssl dgst -sha256 -binary | base64
/// ```
///
/// ```
/// use transport_tls::SpkiPin;
///
/// let pin: SpkiPin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse()?;
/// assert_eq!(pin.to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
/// # Ok::<(), transport_core::schema::ValueError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpkiPin([u8; 32]);

impl SpkiPin {
    /// Creates a pin from a hash.
    #[must_use]
    pub const fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// Returns the hash.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for SpkiPin {
    type Err = ValueError;

    /// Parses a pin.
    ///
    /// # Errors
    /// Explains a text that is not a SHA-256 hash in base64.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        /// Characters of 32 bytes in base64.
        const LEN: usize = 44;
        // By length: base64 contains slashes, so a pin without prefix can start like one.
        let encoded = match text.len().saturating_sub(LEN) {
            7 => text.strip_prefix("sha256/"),
            8 => text.strip_prefix("sha256//"),
            _ => Some(text),
        };
        let bytes = encoded.and_then(|text| STANDARD.decode(text).ok());
        if let Some(sha256) = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
            return Ok(Self(sha256));
        }
        let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let why = if is_hex {
            "it is hexadecimal; use `openssl dgst -sha256 -binary | base64`"
        } else {
            "it must be a SHA-256 hash in base64 (44 characters), with or without sha256/ before it"
        };
        Err(ValueError::new(format!("{text:?} is not a pin: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pin_forms_are_equal() {
        let bare = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let pin: SpkiPin = bare.parse().unwrap();
        assert_eq!(pin.sha256(), &crate::files::sha256(b""));
        for prefix in ["sha256/", "sha256//"] {
            assert_eq!(format!("{prefix}{bare}").parse(), Ok(pin));
        }
        assert_eq!(pin.to_string(), bare);
        // A pin that starts like a prefix.
        let odd = format!("sha256//{}A=", "A".repeat(34));
        assert_eq!(odd.len(), 44);
        assert_eq!(odd.parse::<SpkiPin>().unwrap().to_string(), odd);
    }

    #[test]
    fn malformed_pin_is_refused() {
        let bare = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for (text, says) in [
            ("", "44 characters"),
            (&bare[..43], "44 characters"),
            (&bare.replace('+', "-"), "44 characters"),
            (&bare.replace("U=", "V="), "44 characters"),
            (&format!(" {bare}"), "44 characters"),
            (&format!("sha1/{bare}"), "44 characters"),
            (&format!("sha512/{bare}"), "44 characters"),
            ("47DEQpj8HBSa", "44 characters"),
            (&"ab12".repeat(16), "hexadecimal"),
        ] {
            let error = text.parse::<SpkiPin>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn pin_round_trips(hash: [u8; 32], slashes in 0_usize..3) {
            let pin = SpkiPin::new(hash);
            let prefix = ["", "sha256/", "sha256//"][slashes];
            prop_assert_eq!(format!("{prefix}{pin}").parse(), Ok(pin));
        }

        #[test]
        fn arbitrary_pin_text_does_not_panic(text in ".{0,70}") {
            let _ = text.parse::<SpkiPin>();
        }
    }
}
