//! The settings of a TLS dialer: the group `tls_client`.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::ServerName;
use transport_core::schema::{
    format_path, Choice, Key, Kind, PathUse, Reload, SectionTable, Setting, ValueError,
};

use super::key_path::KeyPath;
use super::peers::PeerList;
use super::{alpn, crl_path, peers};
use crate::{AllowedSan, SpkiPin};

/// The source of trusted authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TrustStore {
    /// The store of the system.
    #[default]
    System,
    /// A PEM file.
    Path,
}

transport_core::choice!(pub TrustStore {
    System: "system",
    Path: "path",
});

/// The settings of a TLS dialer.
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

impl SectionTable for TlsClientConfig {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new(
            "tls_client.trust_store",
            Kind::Choice(TrustStore::WORDS),
            Reload::New,
        )
        .allows("system or path; path needs tls_client.ca_bundle_path")
        .doc("Source of the authorities that servers are verified against.")
        .get(|c: &Self| c.trust_store.as_str().to_owned())
        .set(|c, value| {
            value
                .choice_in_any_case()
                .map(|store| c.trust_store = store)
        }),
        Key::new("tls_client.ca_bundle_path", READ, Reload::New)
            .allows("a PEM file; only with tls_client.trust_store = path")
            .doc("Authorities that servers are verified against.")
            .get(|c: &Self| format_path(c.ca_bundle_path()))
            .set(|c, value| value.path().map(|path| c.ca_bundle_path = path)),
        Key::new("tls_client.crl_path", Kind::Paths, Reload::New)
            .allows(
                "files with CRLs in PEM, several in one file too, or one CRL in DER, 16 MiB \
                 each",
            )
            .doc(
                "CRLs that every certificate of a server's chain is checked against. With any, \
                 a certificate without a CRL is refused, and so is one with an expired CRL.",
            )
            .get(|c: &Self| crl_path::format(&c.crl_path))
            .set(|c, value| c.set_crl_path(crl_path::parse(value)).map(drop)),
        Key::new("tls_client.sni_override", Kind::Text, Reload::New)
            .allows("a DNS name or an IP address")
            .doc("Name that servers are asked for and must prove, instead of the target's host.")
            .get(|c: &Self| c.sni_override.clone().unwrap_or_default())
            .set(|c, value| {
                let name = Some(value.text()?).filter(|text| !text.is_empty());
                c.set_sni_override(name.map(str::to_owned)).map(drop)
            }),
        Key::new("tls_client.allow_sans", Kind::List, Reload::New)
            .allows(peers::SANS_RULE)
            .doc(
                "Subject alternative names, one of which a server must have besides the name \
                 that it must prove.",
            )
            .get(|c: &Self| c.allow_sans.join())
            .set(|c, value| c.set_allow_sans(value.list()).map(drop)),
        Key::new("tls_client.spki_pins", Kind::List, Reload::New)
            .allows(peers::PINS_RULE)
            .doc(
                "Public keys, one of which a server must have: in its certificate, in an \
                 intermediate, or in the authority at the end of its verified chain.",
            )
            .get(|c: &Self| c.spki_pins.join())
            .set(|c, value| c.set_spki_pins(value.list()).map(drop)),
        Key::new("tls_client.alpn", Kind::List, Reload::New)
            .allows(alpn::RULE)
            .doc("Application protocols that are offered.")
            .get(|c: &Self| c.alpn.join(","))
            .set(|c, value| c.set_alpn(value.list()).map(drop)),
        Key::new("tls_client.cert_path", READ, Reload::New)
            .allows("a PEM file; together with tls_client.key_path")
            .doc("Certificate for servers that request one, and its chain, leaf first.")
            .get(|c: &Self| format_path(c.cert_path()))
            .set(|c, value| value.path().map(|path| c.cert_path = path)),
        Key::new("tls_client.key_path", READ, Reload::New)
            .allows("a PEM file that only its owner may read; together with tls_client.cert_path")
            .doc("Private key of that certificate, in the formats of tls.key_path.")
            .get(|c: &Self| format_path(c.key_path()))
            .set(|c, value| value.path().map(|path| c.key_path = KeyPath::new(path))),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        let mut conflicts = Vec::new();
        let mut report = |key, text: &str| conflicts.push((key, ValueError::new(text)));
        match (self.trust_store, self.ca_bundle_path()) {
            (TrustStore::Path, None) => report(
                "tls_client.ca_bundle_path",
                "is needed with tls_client.trust_store = path",
            ),
            (TrustStore::System, Some(_)) => report(
                "tls_client.trust_store",
                "must be path where tls_client.ca_bundle_path is set",
            ),
            _ => {}
        }
        match (self.cert_path(), self.key_path()) {
            (Some(_), None) => {
                report("tls_client.key_path", "is needed with tls_client.cert_path");
            }
            (None, Some(_)) => {
                report("tls_client.cert_path", "is needed with tls_client.key_path");
            }
            _ => {}
        }
        conflicts
    }
}

const READ: Kind = Kind::Path(PathUse::Read);

transport_core::accessors! {
    impl TlsClientConfig {
        /// The source of trusted authorities.
        trust_store, set_trust_store: TrustStore;
    }
}

impl TlsClientConfig {
    /// Returns the PEM file of trusted authorities.
    #[must_use]
    pub fn ca_bundle_path(&self) -> Option<&Path> {
        self.ca_bundle_path.as_deref()
    }

    /// Returns the CRL files for server certificates, in PEM or DER.
    #[must_use]
    pub fn crl_path(&self) -> &[PathBuf] {
        &self.crl_path
    }

    /// Returns the name to request and verify, instead of the target's host.
    #[must_use]
    pub fn sni_override(&self) -> Option<&str> {
        self.sni_override.as_deref()
    }

    /// Returns the names, one of which a server must have.
    ///
    /// As written; an empty list allows all.
    #[must_use]
    pub fn allow_sans(&self) -> &[String] {
        self.allow_sans.texts()
    }

    /// Returns the parsed entries of [`allow_sans`](Self::allow_sans).
    #[must_use]
    pub fn allowed(&self) -> &[AllowedSan] {
        self.allow_sans.parsed()
    }

    /// Returns the public keys, one of which a server's chain must have.
    ///
    /// An empty list allows all.
    #[must_use]
    pub fn spki_pins(&self) -> &[SpkiPin] {
        self.spki_pins.parsed()
    }

    /// Returns the application protocols, most preferred first.
    #[must_use]
    pub fn alpn(&self) -> &[String] {
        &self.alpn
    }

    /// Returns the PEM file of the client's certificate and chain, leaf first.
    #[must_use]
    pub fn cert_path(&self) -> Option<&Path> {
        self.cert_path.as_deref()
    }

    /// Returns the client's private key file; keep it out of logs.
    #[must_use]
    pub fn key_path(&self) -> Option<&Path> {
        self.key_path.get()
    }

    /// Sets the PEM file of trusted authorities.
    pub fn set_ca_bundle_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.ca_bundle_path = path;
        self
    }

    /// Sets the PEM file of the client's certificate and chain, leaf first.
    pub fn set_cert_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.cert_path = path;
        self
    }

    /// Sets the PEM file of the client's private key.
    pub fn set_key_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.key_path = KeyPath::new(path);
        self
    }
}

/// Setters that validate. A refused value leaves the setting unchanged.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl TlsClientConfig {
    /// Sets the CRL files for server certificates: at most 64.
    pub fn set_crl_path(&mut self, paths: Vec<PathBuf>) -> Result<&mut Self, ValueError> {
        self.crl_path = crl_path::checked(paths)?;
        Ok(self)
    }

    /// Sets the name to request and verify: DNS name or address.
    pub fn set_sni_override(&mut self, name: Option<String>) -> Result<&mut Self, ValueError> {
        let valid = |name: &str| ServerName::try_from(name).is_ok();
        if name.as_deref().is_some_and(|name| !valid(name)) {
            return Err(ValueError::new("must be a DNS name or an IP address"));
        }
        self.sni_override = name;
        Ok(self)
    }

    /// Sets the names, one of which a server must have; see [`AllowedSan`].
    ///
    /// They are checked after the name that the server must prove.
    pub fn set_allow_sans(&mut self, sans: Vec<String>) -> Result<&mut Self, ValueError> {
        self.allow_sans = PeerList::new(sans)?;
        Ok(self)
    }

    /// Sets the public keys of allowed servers; see [`SpkiPin`].
    pub fn set_spki_pins(&mut self, pins: Vec<String>) -> Result<&mut Self, ValueError> {
        self.spki_pins = PeerList::new(pins)?;
        Ok(self)
    }

    /// Sets the application protocols: up to 32, 1 to 255 bytes each.
    pub fn set_alpn(&mut self, names: Vec<String>) -> Result<&mut Self, ValueError> {
        self.alpn = alpn::checked(names)?;
        Ok(self)
    }
}
