//! The rules for peers, independent of rustls' verifier traits.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::{CertificateError, Error, OtherError};
use webpki::{spki_for_anchor, EndEntityCert, VerifiedPath};

use super::path::Anchors;
use crate::files::sha256;
use crate::{names, AllowedSan, SpkiPin};

/// Allowed names and pinned keys; a peer needs one of each.
#[derive(Debug)]
pub(crate) struct PeerRules {
    /// Empty: every name.
    sans: Vec<AllowedSan>,
    /// Empty: every key.
    pins: Vec<SpkiPin>,
}

impl PeerRules {
    pub(crate) fn new(sans: &[AllowedSan], pins: &[SpkiPin]) -> Self {
        Self {
            sans: sans.to_vec(),
            pins: pins.to_vec(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sans.is_empty() && self.pins.is_empty()
    }

    /// Judges a peer whose chain and key purpose were verified.
    ///
    /// `confirm` verifies the leaf with the given intermediates and no others, so that a path with a
    /// pinned key passes every check of the inner verifier, revocation included.
    ///
    /// # Errors
    /// `ApplicationVerificationFailure` without an allowed name, [`PinMismatch`] without a pinned
    /// key.
    pub(super) fn judge(
        &self,
        (leaf, rest): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        now: UnixTime,
        anchors: &Anchors,
        confirm: impl Fn(&[CertificateDer<'_>]) -> bool,
    ) -> Result<(), Error> {
        if !self.sans.is_empty() {
            let presented = names::of(leaf);
            let is_allowed = |entry: &AllowedSan| presented.iter().any(|name| entry.matches(name));
            if !self.sans.iter().any(is_allowed) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        if self.pins.is_empty() {
            return Ok(());
        }
        let mismatch = || CertificateError::Other(OtherError(Arc::new(PinMismatch)));
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| CertificateError::BadEncoding)?;
        if self.is_pinned(&leaf.subject_public_key_info()) {
            return Ok(());
        }
        let accept = |path: &VerifiedPath<'_>| {
            let is_confirmed = || {
                let used = path.intermediate_certificates();
                confirm(&used.map(webpki::Cert::der).collect::<Vec<_>>())
            };
            if self.has_pin_above_leaf(path) && is_confirmed() {
                return Ok(());
            }
            Err(webpki::Error::UnknownIssuer)
        };
        match anchors.verify(&leaf, rest, now, Some(&accept)) {
            Ok(_) => Ok(()),
            Err(_) => Err(mismatch().into()),
        }
    }

    /// Returns whether a certificate above the leaf is pinned.
    ///
    /// It is an intermediate or the trust anchor of the path.
    fn has_pin_above_leaf(&self, path: &VerifiedPath<'_>) -> bool {
        let mut used = path.intermediate_certificates();
        used.any(|cert| self.is_pinned(&cert.subject_public_key_info()))
            || self.is_pinned(&spki_for_anchor(path.anchor()))
    }

    fn is_pinned(&self, spki: &[u8]) -> bool {
        self.pins.contains(&SpkiPin::new(sha256(spki)))
    }
}

/// The error of a verified chain without a pinned public key.
#[derive(Debug)]
pub(crate) struct PinMismatch;

impl fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no public key of the verified chain is pinned")
    }
}

impl std::error::Error for PinMismatch {}
