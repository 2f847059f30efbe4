//! Applies trust changes of a partly broken reload.
//!
//! They apply although another file of the reload is broken.

use crate::allowed_san::is_narrower;
use crate::trust::{TrustMaterial, TrustPaths};
use crate::{TlsClientConfig, TlsConfig};
use transport_core::schema::{Section, ValueError};

/// Settings that decide which peers are accepted.
pub(crate) trait TrustSettings: Section + Clone + PartialEq {
    /// Returns the paths of the trust material.
    fn trust_paths(&self) -> TrustPaths<'_>;
    /// Returns the allow-list as written.
    fn allowed_sans(&self) -> &[String];
    /// Copies the allow-list of `other`.
    ///
    /// # Errors
    /// As the setter.
    fn copy_allowed_sans(&mut self, other: &Self) -> Result<(), ValueError>;
    /// Copies the settings that do not decide which peers are accepted.
    ///
    /// # Errors
    /// As the setters.
    fn copy_credentials(&mut self, other: &Self) -> Result<(), ValueError>;
}

/// Returns the trust settings and material that apply now.
///
/// `None` if unchanged. If every part of `wanted` can be used, all of its trust settings apply.
/// Otherwise the settings in force stay, except for a narrower allow-list, and the parts that can
/// be read apply.
pub(crate) fn trust_update<S: TrustSettings>(
    wanted: &S,
    in_force: &S,
    trust: &TrustMaterial,
) -> Option<(S, TrustMaterial)> {
    let mut settings = wanted.clone();
    settings.copy_credentials(in_force).ok()?;
    let (mut next, error) = TrustMaterial::read(&settings.trust_paths(), trust);
    if error.is_some() || !settings.check().is_empty() {
        settings = in_force.clone();
        if is_narrower(wanted.allowed_sans(), in_force.allowed_sans()) {
            settings.copy_allowed_sans(wanted).ok()?;
        }
        if !settings.check().is_empty() {
            settings = in_force.clone();
        }
        (next, _) = TrustMaterial::read(&in_force.trust_paths(), trust);
    }
    let is_unchanged = settings == *in_force && next.is_same(trust);
    (!is_unchanged).then_some((settings, next))
}

impl TrustSettings for TlsConfig {
    fn trust_paths(&self) -> TrustPaths<'_> {
        TrustPaths::new(
            ("tls.client_ca_path", self.client_ca_path()),
            ("tls.crl_path", self.crl_path()),
            self.ticket_keys_path(),
        )
    }

    fn allowed_sans(&self) -> &[String] {
        self.allow_sans()
    }

    fn copy_allowed_sans(&mut self, other: &Self) -> Result<(), ValueError> {
        self.set_allow_sans(other.allow_sans().to_vec()).map(drop)
    }

    fn copy_credentials(&mut self, other: &Self) -> Result<(), ValueError> {
        self.set_enabled(other.enabled())
            .set_cert_path(other.cert_path().map(Into::into))
            .set_key_path(other.key_path().map(Into::into))
            .set_alpn(other.alpn().to_vec())
            .map(drop)
    }
}

impl TrustSettings for TlsClientConfig {
    fn trust_paths(&self) -> TrustPaths<'_> {
        TrustPaths::new(
            ("tls_client.ca_bundle_path", self.ca_bundle_path()),
            ("tls_client.crl_path", self.crl_path()),
            None,
        )
    }

    fn allowed_sans(&self) -> &[String] {
        self.allow_sans()
    }

    fn copy_allowed_sans(&mut self, other: &Self) -> Result<(), ValueError> {
        self.set_allow_sans(other.allow_sans().to_vec()).map(drop)
    }

    fn copy_credentials(&mut self, other: &Self) -> Result<(), ValueError> {
        self.set_cert_path(other.cert_path().map(Into::into))
            .set_key_path(other.key_path().map(Into::into))
            .set_alpn(other.alpn().to_vec())
            .map(drop)
    }
}
