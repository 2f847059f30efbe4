//! The table `tls`: what a listener proves, and what it asks of its clients.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use transport_core::schema::{
    format_bool, parse_bool, Key, Kind, PathUse, Raw, Reload, Section, ValueError,
};

use super::key_path::KeyPath;
use super::peers::PeerList;
use super::{alpn, crl_path, path, peers, text};
use crate::{AllowedSan, SpkiPin};

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientAuth {
    /// It is not asked for.
    #[default]
    Off,
    /// It is verified if there is one.
    Optional,
    /// Who has none is refused.
    Required,
}

impl ClientAuth {
    const ALL: [Self; 3] = [Self::Off, Self::Optional, Self::Required];

    /// The choice as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// Settings of a TLS listener.
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

/// Reads of one field each.
impl TlsConfig {
    /// Whether TLS was said to be on or off; `None` leaves it to the choice of the backend.
    #[must_use]
    pub const fn enabled(&self) -> Option<bool> {
        self.enabled
    }

    /// The PEM file of the certificate and its chain, leaf first.
    #[must_use]
    pub fn cert_path(&self) -> Option<&Path> {
        self.cert_path.as_deref()
    }

    /// The PEM file of the private key. It belongs into no log and no error.
    #[must_use]
    pub fn key_path(&self) -> Option<&Path> {
        self.key_path.get()
    }

    /// The PEM file of the authorities whose clients are trusted.
    #[must_use]
    pub fn client_ca_path(&self) -> Option<&Path> {
        self.client_ca_path.as_deref()
    }

    /// Whether clients show a certificate.
    #[must_use]
    pub const fn client_auth(&self) -> ClientAuth {
        self.client_auth
    }

    /// The subject alternative names that let a client in, as written; empty lets in all that are
    /// trusted.
    #[must_use]
    pub fn allow_sans(&self) -> &[String] {
        self.allow_sans.texts()
    }

    /// The entries of [`allow_sans`](Self::allow_sans), with their types.
    #[must_use]
    pub fn allowed(&self) -> &[AllowedSan] {
        self.allow_sans.parsed()
    }

    /// The public keys of which a client's verified chain must have one; empty lets in all.
    #[must_use]
    pub fn spki_pins(&self) -> &[SpkiPin] {
        self.spki_pins.parsed()
    }

    /// The files of CRLs, in PEM or DER, that client certificates are checked against.
    #[must_use]
    pub fn crl_path(&self) -> &[PathBuf] {
        &self.crl_path
    }

    /// The file of ticket keys that replicas share. It belongs into no log and no error.
    #[must_use]
    pub fn ticket_keys_path(&self) -> Option<&Path> {
        self.ticket_keys_path.get()
    }

    /// Application protocols, most preferred first.
    #[must_use]
    pub fn alpn(&self) -> &[String] {
        &self.alpn
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// Those that return a `Result`: a sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl TlsConfig {
    /// Whether TLS is on; `None` leaves it to the choice of the backend.
    pub fn set_enabled(&mut self, on: Option<bool>) -> &mut Self {
        self.enabled = on;
        self
    }

    /// The PEM file of the certificate and its chain, leaf first.
    pub fn set_cert_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.cert_path = path;
        self
    }

    /// The PEM file of the private key.
    pub fn set_key_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.key_path = KeyPath::new(path);
        self
    }

    /// The PEM file of the authorities whose clients are trusted.
    pub fn set_client_ca_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.client_ca_path = path;
        self
    }

    /// Whether clients show a certificate.
    pub fn set_client_auth(&mut self, auth: ClientAuth) -> &mut Self {
        self.client_auth = auth;
        self
    }

    /// The subject alternative names that let a client in, each as [`AllowedSan`] reads it.
    pub fn set_allow_sans(&mut self, sans: Vec<String>) -> Result<&mut Self, ValueError> {
        self.allow_sans = PeerList::new(sans)?;
        Ok(self)
    }

    /// The public keys of which a client's verified chain must have one, as [`SpkiPin`] reads them.
    pub fn set_spki_pins(&mut self, pins: Vec<String>) -> Result<&mut Self, ValueError> {
        self.spki_pins = PeerList::new(pins)?;
        Ok(self)
    }

    /// The files of CRLs, in PEM or DER, that client certificates are checked against.
    pub fn set_crl_path(&mut self, paths: Vec<PathBuf>) -> Result<&mut Self, ValueError> {
        self.crl_path = crl_path::checked(paths)?;
        Ok(self)
    }

    /// The file of ticket keys that replicas share.
    pub fn set_ticket_keys_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.ticket_keys_path = KeyPath::new(path);
        self
    }

    /// Application protocols, most preferred first: names of 1 to 255 bytes.
    pub fn set_alpn(&mut self, names: Vec<String>) -> Result<&mut Self, ValueError> {
        self.alpn = alpn::checked(names)?;
        Ok(self)
    }
}

const KEYS: &[Key] = &[
    Key {
        path: "tls.enabled",
        kind: Kind::Bool,
        default: "",
        rule: "on or off, and what backend says",
        reload: Reload::Restart,
        doc: "Says once more whether the backend is tls; unset, backend alone decides.",
    },
    Key {
        path: "tls.cert_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: "a PEM file; together with tls.key_path",
        reload: Reload::New,
        doc: "Certificate of the listener and its chain, leaf first.",
    },
    Key {
        path: "tls.key_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: "a PEM file that only its owner may read; together with tls.cert_path",
        reload: Reload::New,
        doc: "Private key of the listener: PKCS#8, PKCS#1 or SEC1; RSA, ECDSA P-256, P-384 or \
              P-521, or Ed25519.",
    },
    Key {
        path: "tls.client_ca_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: "a PEM file; needed unless tls.client_auth is off",
        reload: Reload::New,
        doc: "Authorities whose client certificates are trusted.",
    },
    Key {
        path: "tls.client_auth",
        kind: Kind::Choice(&["off", "optional", "required"]),
        default: "off",
        rule: "off, optional or required",
        reload: Reload::New,
        doc: "Whether clients show a certificate.",
    },
    Key {
        path: "tls.allow_sans",
        kind: Kind::List,
        default: "",
        rule: peers::SANS_RULE_CLIENTS,
        reload: Reload::New,
        doc:
            "Subject alternative names that let a client in; with any, a client whose certificate \
              has none of them is refused, and so is one without a certificate.",
    },
    Key {
        path: "tls.spki_pins",
        kind: Kind::List,
        default: "",
        rule: peers::PINS_RULE_CLIENTS,
        reload: Reload::New,
        doc: "Public keys that let a client in: of its certificate, of an intermediate, or of the \
              authority at the end of its verified chain.",
    },
    Key {
        path: "tls.crl_path",
        kind: Kind::Paths,
        default: "",
        rule:
            "files with CRLs in PEM, several in one file too, or one CRL in DER, 16 MiB each; not \
               with tls.client_auth = off",
        reload: Reload::New,
        doc: "CRLs that client certificates are checked against, every certificate of a chain; \
              with any, one that no CRL covers is refused, and so is one whose CRL has expired.",
    },
    Key {
        path: "tls.ticket_keys_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: "a file that only its owner may read: a key per line, 48 or 80 bytes in base64",
        reload: Reload::New,
        doc:
            "Ticket keys that replicas share, so that a session resumes at another one; the first \
              makes tickets, all accept them. Unset, keys are made at random and kept in memory.",
    },
    Key {
        path: "tls.alpn",
        kind: Kind::List,
        default: "",
        rule: alpn::RULE,
        reload: Reload::New,
        doc: "Application protocols of the listener; a client that offers others only is refused.",
    },
];

impl Section for TlsConfig {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, key: &str, value: &Raw) -> Result<(), ValueError> {
        match key {
            "tls.enabled" => {
                let on = Some(value.text()?).filter(|text| !text.is_empty());
                self.set_enabled(on.map(parse_bool).transpose()?)
            }
            "tls.cert_path" => self.set_cert_path(path(value.text()?)),
            "tls.key_path" => self.set_key_path(path(value.text()?)),
            "tls.client_ca_path" => self.set_client_ca_path(path(value.text()?)),
            "tls.client_auth" => {
                let text = value.text()?.to_ascii_lowercase();
                let auth = ClientAuth::ALL.into_iter().find(|a| a.as_str() == text);
                let wrong = || ValueError::new("must be off, optional or required");
                self.set_client_auth(auth.ok_or_else(wrong)?)
            }
            "tls.allow_sans" => self.set_allow_sans(value.list())?,
            "tls.spki_pins" => self.set_spki_pins(value.list())?,
            "tls.crl_path" => self.set_crl_path(crl_path::of(value.list()))?,
            "tls.ticket_keys_path" => self.set_ticket_keys_path(path(value.text()?)),
            "tls.alpn" => self.set_alpn(value.list())?,
            _ => return Err(ValueError::new("no such key")),
        };
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        Some(match path {
            "tls.enabled" => self.enabled.map_or_else(String::new, format_bool),
            "tls.cert_path" => text(self.cert_path()),
            "tls.key_path" => text(self.key_path()),
            "tls.client_ca_path" => text(self.client_ca_path()),
            "tls.client_auth" => self.client_auth.as_str().to_owned(),
            "tls.allow_sans" => self.allow_sans.join(),
            "tls.spki_pins" => self.spki_pins.join(),
            "tls.crl_path" => crl_path::text(&self.crl_path),
            "tls.ticket_keys_path" => text(self.ticket_keys_path()),
            "tls.alpn" => self.alpn.join(","),
            _ => return None,
        })
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        let mut wrong = Vec::new();
        let mut blame = |key, text: &str| wrong.push((key, ValueError::new(text)));
        match (self.cert_path(), self.key_path()) {
            (Some(_), None) => blame("tls.key_path", "is needed with tls.cert_path"),
            (None, Some(_)) => blame("tls.cert_path", "is needed with tls.key_path"),
            _ => {}
        }
        if self.client_auth == ClientAuth::Off {
            if !self.allow_sans().is_empty() {
                blame(
                    "tls.allow_sans",
                    "needs tls.client_auth to be optional or required: without a certificate a \
                     client has no name",
                );
            }
            if !self.spki_pins().is_empty() {
                blame(
                    "tls.spki_pins",
                    "needs tls.client_auth to be optional or required: without a certificate a \
                     client has no key",
                );
            }
            if !self.crl_path.is_empty() {
                blame(
                    "tls.crl_path",
                    "needs tls.client_auth to be optional or required: without certificates there \
                      is nothing to revoke",
                );
            }
        } else if self.client_ca_path.is_none() {
            blame(
                "tls.client_ca_path",
                "is needed unless tls.client_auth is off",
            );
        }
        wrong
    }
}
