//! Certificate revocation lists (CRLs): files, order and expiry.
//!
//! rustls checks every certificate of a chain below the trust anchor. It refuses a certificate
//! without a CRL of its issuer, and an expired CRL. It uses only the first CRL of an issuer, so the
//! newest is first here.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateRevocationListDer, Der, TrustAnchor};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{CertRevocationListError, RootCertStore};
use tracing::warn;
use transport_core::TransportError;

use crate::dates::{self, CrlDates, Seconds};
use crate::error::tls_by;
use crate::files::{self, ConfiguredPath};
use crate::pem;

/// Longest CRL file in bytes: about 400,000 entries.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// A CRL with its dates.
#[derive(Debug)]
struct DatedCrl {
    der: CertificateRevocationListDer<'static>,
    dates: CrlDates,
}

/// The last usable content of one file.
#[derive(Debug)]
pub(crate) struct CrlFile {
    path: PathBuf,
    hash: [u8; 32],
    lists: Vec<DatedCrl>,
}

impl CrlFile {
    /// Reads a file of CRLs.
    ///
    /// PEM files have any number of them, DER files one.
    ///
    /// # Errors
    /// With `tls crl read failed`, the key and the path.
    fn read(key: &'static str, path: &Path, before: &Crls) -> Result<Arc<Self>, TransportError> {
        let at = ConfiguredPath {
            key,
            path: Some(path),
        };
        let failed = |why: &str| files::crl_failed(at, why);
        let bytes = files::bounded(path, MAX_BYTES)
            .map_err(|cause| tls_by(files::crl_text(at, &cause.to_string()), cause))?;
        let hash = files::sha256(&bytes);
        if let Some(same) = before.file(path).filter(|file| file.hash == hash) {
            return Ok(Arc::clone(same));
        }
        let ders = pem::revocation_lists(&bytes).map_err(failed)?;
        let lists = ders.into_iter().enumerate().map(|(number, der)| {
            let wrong = |why: &str| failed(&format!("CRL {} in it {why}", number + 1));
            check_usable(&der).map_err(|why| wrong(&why))?;
            let dates = dates::crl_dates(&der).ok_or_else(|| wrong("has unreadable dates"))?;
            Ok(DatedCrl { der, dates })
        });
        Ok(Arc::new(Self {
            path: path.to_owned(),
            hash,
            lists: lists.collect::<Result<_, TransportError>>()?,
        }))
    }
}

/// The CRLs of every configured file.
#[derive(Debug, Default)]
pub(crate) struct Crls {
    files: Vec<Arc<CrlFile>>,
    expiry: CrlExpiry,
}

impl Crls {
    /// Reads the files. Also returns the first error.
    ///
    /// A file that cannot be used keeps its last good content. Then files that are no longer
    /// configured stay too, so that a broken file does not undo a revocation.
    pub(crate) fn read(
        key: &'static str,
        paths: &[PathBuf],
        before: &Self,
    ) -> (Self, Option<TransportError>) {
        let (mut files, mut error) = (Vec::with_capacity(paths.len()), None);
        for path in paths {
            match CrlFile::read(key, path, before) {
                Ok(file) => files.push(file),
                Err(why) => {
                    files.extend(before.file(path).cloned());
                    error.get_or_insert(why);
                }
            }
        }
        if error.is_some() {
            let removed = before
                .files
                .iter()
                .filter(|file| !paths.contains(&file.path));
            files.extend(removed.cloned());
        }
        let dates = files
            .iter()
            .flat_map(|file| &file.lists)
            .map(|crl| crl.dates);
        let expiry = match &before.expiry {
            same if same.dates == CrlExpiry::earliest(dates.clone()) => same.clone(),
            _ => CrlExpiry::of(key, dates),
        };
        (Self { files, expiry }, error)
    }

    fn file(&self, path: &Path) -> Option<&Arc<CrlFile>> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Returns every CRL, the newest first.
    pub(crate) fn ders(&self) -> Vec<CertificateRevocationListDer<'static>> {
        let mut lists: Vec<_> = self.files.iter().flat_map(|file| &file.lists).collect();
        lists.sort_by_key(|crl| std::cmp::Reverse(crl.dates.this_update));
        lists.iter().map(|crl| crl.der.clone()).collect()
    }

    pub(crate) fn hashes(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.files.iter().map(|file| &file.hash)
    }

    /// Returns when the first CRL expires; `MAX` without CRLs.
    pub(crate) fn end(&self) -> Seconds {
        self.expiry
            .dates
            .map_or(Seconds::MAX, |dates| dates.next_update)
    }

    /// Logs warnings for CRLs that expire soon or have expired.
    ///
    /// One warning for each of the two.
    pub(crate) fn warn(&self, now: Seconds) {
        self.expiry.warn(now);
    }
}

/// Checks that rustls supports a CRL.
///
/// It needs a trust anchor to parse one.
fn check_usable(der: &CertificateRevocationListDer<'static>) -> Result<(), String> {
    use CertRevocationListError as E;
    let provider: Arc<CryptoProvider> = crate::provider::provider(crate::PqMode::Off);
    let roots = Arc::new(RootCertStore {
        roots: vec![TrustAnchor {
            subject: Der::from_slice(b""),
            subject_public_key_info: Der::from_slice(b""),
            name_constraints: None,
        }],
    });
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
    match builder.with_crls([der.clone()]).build() {
        Ok(_) => Ok(()),
        Err(VerifierBuilderError::InvalidCrl(error)) => Err(match error {
            E::UnsupportedDeltaCrl => "is a delta CRL: install a complete one".to_owned(),
            E::UnsupportedIndirectCrl => {
                "is an indirect CRL: install those of the issuers".to_owned()
            }
            E::UnsupportedCriticalExtension => {
                "has an unknown critical extension, so it must not be used (RFC 5280 §5.2)"
                    .to_owned()
            }
            E::UnsupportedCrlVersion => "is not a CRL of version 2".to_owned(),
            E::UnsupportedRevocationReason => {
                "covers only some revocation reasons: install a complete one".to_owned()
            }
            E::ParseError => "cannot be parsed".to_owned(),
            other => format!("cannot be used: {other:?}"),
        }),
        Err(other) => Err(format!("cannot be used: {other}")),
    }
}

/// The expiry of the CRL that expires first.
///
/// With the last stage that was warned about.
#[derive(Debug, Clone, Default)]
struct CrlExpiry {
    key: &'static str,
    /// `None` without CRLs.
    dates: Option<CrlDates>,
    warned: Arc<AtomicU8>,
}

impl CrlExpiry {
    fn earliest(dates: impl Iterator<Item = CrlDates>) -> Option<CrlDates> {
        dates.min_by_key(|dates| dates.next_update)
    }

    fn of(key: &'static str, dates: impl Iterator<Item = CrlDates>) -> Self {
        Self {
            key,
            dates: Self::earliest(dates),
            warned: Arc::default(),
        }
    }

    /// Returns the stage of the expiry warning.
    ///
    /// 0 for a fresh CRL, 1 in the last tenth of its period, 2 once expired.
    fn stage(&self, now: Seconds) -> u8 {
        let Some(dates) = self.dates else {
            return 0;
        };
        let period = dates.next_update.saturating_sub(dates.this_update);
        match dates.next_update.saturating_sub(now) {
            0 => 2,
            left if left <= period / 10 => 1,
            _ => 0,
        }
    }

    fn warn(&self, now: Seconds) {
        let stage = self.stage(now);
        if self.warned.fetch_max(stage, Ordering::Relaxed) >= stage {
            return;
        }
        let left = self
            .dates
            .map(|dates| dates.next_update.saturating_sub(now));
        warn!(
            target: "ron_transport",
            event = "crl",
            backend = "tls",
            hours_left = left.map(|seconds| seconds / 3600),
            "a CRL of {} {}",
            self.key,
            if stage == 2 {
                "has expired: peers that it covers are refused; install the current one"
            } else {
                "expires soon: install a newer one"
            },
        );
    }
}

#[cfg(test)]
mod tests;
