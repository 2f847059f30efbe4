//! The settings of a TLS listener: the group `tls`.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use transport_core::schema::{
    format_bool, format_path, Choice, Key, Kind, PathUse, Reload, SectionTable, Setting, ValueError,
};

use super::key_path::KeyPath;
use super::peers::PeerList;
use super::{alpn, crl_path, peers};
use crate::{AllowedSan, SpkiPin};

/// Whether clients present a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::exhaustive_enums)] // RFC 8446 leaves no other choice.
pub enum ClientAuth {
    /// The listener requests none.
    #[default]
    Off,
    /// The listener requests one and verifies it if the client has one.
    Optional,
    /// The listener refuses clients without one.
    Required,
}

transport_core::choice!(pub ClientAuth {
    Off: "off",
    Optional: "optional",
    Required: "required",
});

/// The settings of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    enabled: Option<bool>,
    cert_path: Option<PathBuf>,
    key_path: KeyPath,
    client_ca_path: Option<PathBuf>,
    client_auth: ClientAuth,
    allow_sans: PeerList<AllowedSan>,
    spki_pins: PeerList<SpkiPin>,
    crl_path: Vec<PathBuf>,
    ticket_keys_path: KeyPath,
    alpn: Vec<String>,
}

impl SectionTable for TlsConfig {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new("tls.enabled", Kind::Bool, Reload::Restart)
            .allows("on or off, consistent with backend")
            .doc("States again whether the backend is tls; unset, backend alone decides.")
            .get(|c: &Self| c.enabled.map_or_else(String::new, format_bool))
            .set(|c, value| {
                let is_set = !value.text()?.is_empty();
                c.enabled = is_set.then(|| value.bool()).transpose()?;
                Ok(())
            }),
        Key::new("tls.cert_path", READ, Reload::New)
            .allows("a PEM file; together with tls.key_path")
            .doc("Certificate of the listener and its chain, leaf first.")
            .get(|c: &Self| format_path(c.cert_path()))
            .set(|c, value| value.path().map(|path| c.cert_path = path)),
        Key::new("tls.key_path", READ, Reload::New)
            .allows("a PEM file that only its owner may read; together with tls.cert_path")
            .doc(
                "Private key of the listener: PKCS#8, PKCS#1 or SEC1; RSA, ECDSA P-256, P-384 \
                 or P-521, or Ed25519.",
            )
            .get(|c: &Self| format_path(c.key_path()))
            .set(|c, value| value.path().map(|path| c.key_path = KeyPath::new(path))),
        Key::new("tls.client_ca_path", READ, Reload::New)
            .allows("a PEM file; needed unless tls.client_auth is off")
            .doc("Authorities whose client certificates are trusted.")
            .get(|c: &Self| format_path(c.client_ca_path()))
            .set(|c, value| value.path().map(|path| c.client_ca_path = path)),
        Key::new(
            "tls.client_auth",
            Kind::Choice(ClientAuth::WORDS),
            Reload::New,
        )
        .doc("Whether clients present a certificate.")
        .get(|c: &Self| c.client_auth.as_str().to_owned())
        .set(|c, value| value.choice_in_any_case().map(|auth| c.client_auth = auth)),
        Key::new("tls.allow_sans", Kind::List, Reload::New)
            .allows(peers::SANS_RULE_CLIENTS)
            .doc(
                "Subject alternative names of admitted clients. With any, a client without one \
                 of them is refused, and so is a client without a certificate.",
            )
            .get(|c: &Self| c.allow_sans.join())
            .set(|c, value| c.set_allow_sans(value.list()).map(drop)),
        Key::new("tls.spki_pins", Kind::List, Reload::New)
            .allows(peers::PINS_RULE_CLIENTS)
            .doc(
                "Public keys of admitted clients: of the certificate, of an intermediate, or of \
                 the authority at the end of the verified chain.",
            )
            .get(|c: &Self| c.spki_pins.join())
            .set(|c, value| c.set_spki_pins(value.list()).map(drop)),
        Key::new("tls.crl_path", Kind::Paths, Reload::New)
            .allows(
                "files with CRLs in PEM, several in one file too, or one CRL in DER, 16 MiB \
                 each; not with tls.client_auth = off",
            )
            .doc(
                "CRLs that every certificate of a client's chain is checked against. With any, \
                 a certificate without a CRL is refused, and so is one with an expired CRL.",
            )
            .get(|c: &Self| crl_path::format(&c.crl_path))
            .set(|c, value| c.set_crl_path(crl_path::parse(value)).map(drop)),
        Key::new("tls.ticket_keys_path", READ, Reload::New)
            .allows("a file that only its owner may read: a key per line, 48 or 80 bytes in base64")
            .doc(
                "Ticket keys that replicas share, so that a session resumes at another one; the \
                 first makes tickets, all accept them. Unset, keys are made at random and kept \
                 in memory.",
            )
            .get(|c: &Self| format_path(c.ticket_keys_path()))
            .set(|c, value| {
                value
                    .path()
                    .map(|path| c.ticket_keys_path = KeyPath::new(path))
            }),
        Key::new("tls.alpn", Kind::List, Reload::New)
            .allows(alpn::RULE)
            .doc(
                "Application protocols of the listener; a client that offers only others is \
                 refused.",
            )
            .get(|c: &Self| c.alpn.join(","))
            .set(|c, value| c.set_alpn(value.list()).map(drop)),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        let mut conflicts = Vec::new();
        let mut report = |key, text: &str| conflicts.push((key, ValueError::new(text)));
        match (self.cert_path(), self.key_path()) {
            (Some(_), None) => report("tls.key_path", "is needed with tls.cert_path"),
            (None, Some(_)) => report("tls.cert_path", "is needed with tls.key_path"),
            _ => {}
        }
        if self.client_auth == ClientAuth::Off {
            if !self.allow_sans().is_empty() {
                report(
                    "tls.allow_sans",
                    "needs tls.client_auth to be optional or required: without a certificate a \
                     client has no name",
                );
            }
            if !self.spki_pins().is_empty() {
                report(
                    "tls.spki_pins",
                    "needs tls.client_auth to be optional or required: without a certificate a \
                     client has no key",
                );
            }
            if !self.crl_path.is_empty() {
                report(
                    "tls.crl_path",
                    "needs tls.client_auth to be optional or required: without certificates there \
                     is nothing to revoke",
                );
            }
        } else if self.client_ca_path.is_none() {
            report(
                "tls.client_ca_path",
                "is needed unless tls.client_auth is off",
            );
        }
        conflicts
    }
}

const READ: Kind = Kind::Path(PathUse::Read);

transport_core::accessors! {
    impl TlsConfig {
        /// Whether TLS is on; `None` leaves it to the backend.
        enabled, set_enabled: Option<bool>;
        /// Whether clients present a certificate.
        client_auth, set_client_auth: ClientAuth;
    }
}

impl TlsConfig {
    /// Returns the PEM file of the certificate and its chain, leaf first.
    #[must_use]
    pub fn cert_path(&self) -> Option<&Path> {
        self.cert_path.as_deref()
    }

    /// Returns the private key file; keep it out of logs.
    #[must_use]
    pub fn key_path(&self) -> Option<&Path> {
        self.key_path.get()
    }

    /// Returns the PEM file of the authorities of client certificates.
    #[must_use]
    pub fn client_ca_path(&self) -> Option<&Path> {
        self.client_ca_path.as_deref()
    }

    /// Returns the subject alternative names of admitted clients, as written.
    ///
    /// An empty list admits every trusted client.
    #[must_use]
    pub fn allow_sans(&self) -> &[String] {
        self.allow_sans.texts()
    }

    /// Returns the parsed entries of [`allow_sans`](Self::allow_sans).
    #[must_use]
    pub fn allowed(&self) -> &[AllowedSan] {
        self.allow_sans.parsed()
    }

    /// Returns the public keys, one of which a client's chain must have.
    ///
    /// An empty list admits every trusted client.
    #[must_use]
    pub fn spki_pins(&self) -> &[SpkiPin] {
        self.spki_pins.parsed()
    }

    /// Returns the CRL files for client certificates, in PEM or DER.
    #[must_use]
    pub fn crl_path(&self) -> &[PathBuf] {
        &self.crl_path
    }

    /// Returns the file of shared ticket keys; keep it out of logs.
    #[must_use]
    pub fn ticket_keys_path(&self) -> Option<&Path> {
        self.ticket_keys_path.get()
    }

    /// Returns the application protocols, most preferred first.
    #[must_use]
    pub fn alpn(&self) -> &[String] {
        &self.alpn
    }

    /// Sets the PEM file of the certificate and its chain, leaf first.
    pub fn set_cert_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.cert_path = path;
        self
    }

    /// Sets the PEM file of the private key.
    pub fn set_key_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.key_path = KeyPath::new(path);
        self
    }

    /// Sets the PEM file of the authorities of client certificates.
    pub fn set_client_ca_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.client_ca_path = path;
        self
    }

    /// Sets the file of ticket keys that replicas share.
    pub fn set_ticket_keys_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.ticket_keys_path = KeyPath::new(path);
        self
    }
}

/// Setters that validate. A refused value leaves the setting unchanged.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl TlsConfig {
    /// Sets the subject alternative names of admitted clients; see [`AllowedSan`].
    pub fn set_allow_sans(&mut self, sans: Vec<String>) -> Result<&mut Self, ValueError> {
        self.allow_sans = PeerList::new(sans)?;
        Ok(self)
    }

    /// Sets the public keys of admitted clients; see [`SpkiPin`].
    pub fn set_spki_pins(&mut self, pins: Vec<String>) -> Result<&mut Self, ValueError> {
        self.spki_pins = PeerList::new(pins)?;
        Ok(self)
    }

    /// Sets the CRL files for client certificates: at most 64.
    pub fn set_crl_path(&mut self, paths: Vec<PathBuf>) -> Result<&mut Self, ValueError> {
        self.crl_path = crl_path::checked(paths)?;
        Ok(self)
    }

    /// Sets the application protocols: up to 32, 1 to 255 bytes each.
    pub fn set_alpn(&mut self, names: Vec<String>) -> Result<&mut Self, ValueError> {
        self.alpn = alpn::checked(names)?;
        Ok(self)
    }
}
