//! The table `tls_client`: whom a dialer trusts, and what it shows.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::ServerName;
use transport_core::schema::{Key, Kind, PathUse, Raw, Reload, Section, ValueError};

use super::key_path::KeyPath;
use super::peers::PeerList;
use super::{alpn, crl_path, path, peers, text};
use crate::{AllowedSan, SpkiPin};

/// Where trusted authorities come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TrustStore {
    /// The system's store.
    #[default]
    System,
    /// A PEM file.
    Path,
}

impl TrustStore {
    const ALL: [Self; 2] = [Self::System, Self::Path];

    /// The choice as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Path => "path",
        }
    }
}

/// Settings of a TLS dialer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsClientConfig {
    trust_store: TrustStore,
    ca_bundle_path: Option<PathBuf>,
    crl_path: Vec<PathBuf>,
    sni_override: Option<String>,
    allow_sans: PeerList<AllowedSan>,
    spki_pins: PeerList<SpkiPin>,
    alpn: Vec<String>,
    cert_path: Option<PathBuf>,
    key_path: KeyPath,
}

/// Reads of one field each.
impl TlsClientConfig {
    /// Where trusted authorities come from.
    #[must_use]
    pub const fn trust_store(&self) -> TrustStore {
        self.trust_store
    }

    /// The PEM file of trusted authorities.
    #[must_use]
    pub fn ca_bundle_path(&self) -> Option<&Path> {
        self.ca_bundle_path.as_deref()
    }

    /// The files of CRLs, in PEM or DER, that server certificates are checked against.
    #[must_use]
    pub fn crl_path(&self) -> &[PathBuf] {
        &self.crl_path
    }

    /// The name that servers are asked for and must prove, instead of the target's host.
    #[must_use]
    pub fn sni_override(&self) -> Option<&str> {
        self.sni_override.as_deref()
    }

    /// The names of which a server must have one besides its own, as written; empty allows all.
    #[must_use]
    pub fn allow_sans(&self) -> &[String] {
        self.allow_sans.texts()
    }

    /// The entries of [`allow_sans`](Self::allow_sans), with their types.
    #[must_use]
    pub fn allowed(&self) -> &[AllowedSan] {
        self.allow_sans.parsed()
    }

    /// The public keys of which a server's verified chain must have one; empty allows all.
    #[must_use]
    pub fn spki_pins(&self) -> &[SpkiPin] {
        self.spki_pins.parsed()
    }

    /// Application protocols, most preferred first.
    #[must_use]
    pub fn alpn(&self) -> &[String] {
        &self.alpn
    }

    /// The PEM file of the client's certificate and its chain, leaf first.
    #[must_use]
    pub fn cert_path(&self) -> Option<&Path> {
        self.cert_path.as_deref()
    }

    /// The PEM file of the client's private key. It belongs into no log and no error.
    #[must_use]
    pub fn key_path(&self) -> Option<&Path> {
        self.key_path.get()
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// Those that return a `Result`: a sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl TlsClientConfig {
    /// Where trusted authorities come from.
    pub fn set_trust_store(&mut self, store: TrustStore) -> &mut Self {
        self.trust_store = store;
        self
    }

    /// The PEM file of trusted authorities.
    pub fn set_ca_bundle_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.ca_bundle_path = path;
        self
    }

    /// The files of CRLs, in PEM or DER, that server certificates are checked against.
    pub fn set_crl_path(&mut self, paths: Vec<PathBuf>) -> Result<&mut Self, ValueError> {
        self.crl_path = crl_path::checked(paths)?;
        Ok(self)
    }

    /// The name that servers are asked for and must prove: a DNS name or an IP address.
    pub fn set_sni_override(&mut self, name: Option<String>) -> Result<&mut Self, ValueError> {
        let valid = |name: &str| ServerName::try_from(name).is_ok();
        if name.as_deref().is_some_and(|name| !valid(name)) {
            return Err(ValueError::new("must be a DNS name or an IP address"));
        }
        self.sni_override = name;
        Ok(self)
    }

    /// The names of which a server must have one, each as [`AllowedSan`] reads it. They are checked
    /// after the name that the server must prove.
    pub fn set_allow_sans(&mut self, sans: Vec<String>) -> Result<&mut Self, ValueError> {
        self.allow_sans = PeerList::new(sans)?;
        Ok(self)
    }

    /// The public keys of which a server's verified chain must have one, as [`SpkiPin`] reads them.
    pub fn set_spki_pins(&mut self, pins: Vec<String>) -> Result<&mut Self, ValueError> {
        self.spki_pins = PeerList::new(pins)?;
        Ok(self)
    }

    /// Application protocols, most preferred first: names of 1 to 255 bytes.
    pub fn set_alpn(&mut self, names: Vec<String>) -> Result<&mut Self, ValueError> {
        self.alpn = alpn::checked(names)?;
        Ok(self)
    }

    /// The PEM file of the client's certificate and its chain, leaf first.
    pub fn set_cert_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.cert_path = path;
        self
    }

    /// The PEM file of the client's private key.
    pub fn set_key_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.key_path = KeyPath::new(path);
        self
    }
}

const KEYS: &[Key] = &[
    Key {
        path: "tls_client.trust_store",
        kind: Kind::Choice(&["system", "path"]),
        default: "system",
        rule: "system or path; path needs tls_client.ca_bundle_path",
        reload: Reload::New,
        doc: "Where the authorities come from that servers are verified against.",
    },
    Key {
        path: "tls_client.ca_bundle_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: "a PEM file; only with tls_client.trust_store = path",
        reload: Reload::New,
        doc: "Authorities that servers are verified against.",
    },
    Key {
        path: "tls_client.crl_path",
        kind: Kind::Paths,
        default: "",
        rule: "files with CRLs in PEM, several in one file too, or one CRL in DER, 16 MiB each",
        reload: Reload::New,
        doc: "CRLs that server certificates are checked against, every certificate of a chain; \
              with any, one that no CRL covers is refused, and so is one whose CRL has expired.",
    },
    Key {
        path: "tls_client.sni_override",
        kind: Kind::Text,
        default: "",
        rule: "a DNS name or an IP address",
        reload: Reload::New,
        doc: "Name that servers are asked for and must prove, instead of the target's host.",
    },
    Key {
        path: "tls_client.allow_sans",
        kind: Kind::List,
        default: "",
        rule: peers::SANS_RULE,
        reload: Reload::New,
        doc: "Subject alternative names of which a server must have one, besides the name that it \
              must prove.",
    },
    Key {
        path: "tls_client.spki_pins",
        kind: Kind::List,
        default: "",
        rule: peers::PINS_RULE,
        reload: Reload::New,
        doc:
            "Public keys of which a server must have one: of its certificate, of an intermediate, \
              or of the authority at the end of its verified chain.",
    },
    Key {
        path: "tls_client.alpn",
        kind: Kind::List,
        default: "",
        rule: alpn::RULE,
        reload: Reload::New,
        doc: "Application protocols that are offered.",
    },
    Key {
        path: "tls_client.cert_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: "a PEM file; together with tls_client.key_path",
        reload: Reload::New,
        doc: "Certificate shown to servers that ask for one, and its chain, leaf first.",
    },
    Key {
        path: "tls_client.key_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: "a PEM file that only its owner may read; together with tls_client.cert_path",
        reload: Reload::New,
        doc: "Private key of that certificate, in the formats of tls.key_path.",
    },
];

impl Section for TlsClientConfig {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, key: &str, value: &Raw) -> Result<(), ValueError> {
        match key {
            "tls_client.trust_store" => {
                let text = value.text()?.to_ascii_lowercase();
                let store = TrustStore::ALL.into_iter().find(|s| s.as_str() == text);
                let wrong = || ValueError::new("must be system or path");
                self.set_trust_store(store.ok_or_else(wrong)?)
            }
            "tls_client.ca_bundle_path" => self.set_ca_bundle_path(path(value.text()?)),
            "tls_client.crl_path" => self.set_crl_path(crl_path::of(value.list()))?,
            "tls_client.sni_override" => {
                let name = Some(value.text()?).filter(|text| !text.is_empty());
                self.set_sni_override(name.map(str::to_owned))?
            }
            "tls_client.allow_sans" => self.set_allow_sans(value.list())?,
            "tls_client.spki_pins" => self.set_spki_pins(value.list())?,
            "tls_client.alpn" => self.set_alpn(value.list())?,
            "tls_client.cert_path" => self.set_cert_path(path(value.text()?)),
            "tls_client.key_path" => self.set_key_path(path(value.text()?)),
            _ => return Err(ValueError::new("no such key")),
        };
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        Some(match path {
            "tls_client.trust_store" => self.trust_store.as_str().to_owned(),
            "tls_client.ca_bundle_path" => text(self.ca_bundle_path()),
            "tls_client.crl_path" => crl_path::text(&self.crl_path),
            "tls_client.sni_override" => self.sni_override.clone().unwrap_or_default(),
            "tls_client.allow_sans" => self.allow_sans.join(),
            "tls_client.spki_pins" => self.spki_pins.join(),
            "tls_client.alpn" => self.alpn.join(","),
            "tls_client.cert_path" => text(self.cert_path()),
            "tls_client.key_path" => text(self.key_path()),
            _ => return None,
        })
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        let mut wrong = Vec::new();
        let mut blame = |key, text: &str| wrong.push((key, ValueError::new(text)));
        match (self.trust_store, self.ca_bundle_path()) {
            (TrustStore::Path, None) => blame(
                "tls_client.ca_bundle_path",
                "is needed with tls_client.trust_store = path",
            ),
            (TrustStore::System, Some(_)) => blame(
                "tls_client.trust_store",
                "must be path where tls_client.ca_bundle_path is set",
            ),
            _ => {}
        }
        match (self.cert_path(), self.key_path()) {
            (Some(_), None) => blame("tls_client.key_path", "is needed with tls_client.cert_path"),
            (None, Some(_)) => blame("tls_client.cert_path", "is needed with tls_client.key_path"),
            _ => {}
        }
        wrong
    }
}
