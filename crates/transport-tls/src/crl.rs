//! Certificate revocation lists: files, their order, and when they expire.
//!
//! rustls checks every certificate of a chain below the trust anchor, refuses one without a CRL of
//! its issuer, and refuses an expired CRL. It asks the first CRL of an issuer alone, so the newest
//! comes first here.

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

/// Longest CRL file: about 400,000 entries.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// A list and its dates.
#[derive(Debug)]
struct Crl {
    der: CertificateRevocationListDer<'static>,
    dates: CrlDates,
}

/// The last usable content of one file.
#[derive(Debug)]
pub(crate) struct CrlFile {
    path: PathBuf,
    hash: [u8; 32],
    lists: Vec<Crl>,
}

impl CrlFile {
    /// Reads a file in PEM, with any number of lists, or a list in DER.
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
            usable(&der).map_err(|why| wrong(&why))?;
            let dates = dates::crl_dates(&der).ok_or_else(|| wrong("has unreadable dates"))?;
            Ok(Crl { der, dates })
        });
        Ok(Arc::new(Self {
            path: path.to_owned(),
            hash,
            lists: lists.collect::<Result<_, TransportError>>()?,
        }))
    }
}

/// The lists of every configured file.
#[derive(Debug, Default)]
pub(crate) struct Crls {
    files: Vec<Arc<CrlFile>>,
    expiry: CrlExpiry,
}

impl Crls {
    /// Reads the files. Where one cannot be used, its last good state stays, and with it the lists
    /// of files that are configured no more: a broken file hides no revocation. The error of the
    /// first such file comes along.
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
            let gone = before
                .files
                .iter()
                .filter(|file| !paths.contains(&file.path));
            files.extend(gone.cloned());
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

    /// Every list, the newest first.
    pub(crate) fn ders(&self) -> Vec<CertificateRevocationListDer<'static>> {
        let mut lists: Vec<_> = self.files.iter().flat_map(|file| &file.lists).collect();
        lists.sort_by_key(|crl| std::cmp::Reverse(crl.dates.this_update));
        lists.iter().map(|crl| crl.der.clone()).collect()
    }

    pub(crate) fn hashes(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.files.iter().map(|file| &file.hash)
    }

    /// When the first of them expires; `MAX` without any.
    pub(crate) fn end(&self) -> Seconds {
        self.expiry
            .dates
            .map_or(Seconds::MAX, |dates| dates.next_update)
    }

    /// Warns in the log of a CRL that expires soon or has expired, once each.
    pub(crate) fn warn(&self, now: Seconds) {
        self.expiry.warn(now);
    }
}

/// Asks rustls whether it can use a list. It takes lists with a store of authorities alone.
fn usable(der: &CertificateRevocationListDer<'static>) -> Result<(), String> {
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
            E::UnsupportedDeltaCrl => "is a delta CRL, and complete ones are needed".to_owned(),
            E::UnsupportedIndirectCrl => {
                "is an indirect CRL, and those of the issuers themselves are needed".to_owned()
            }
            E::UnsupportedCriticalExtension => {
                "has a critical extension that is not understood, so it must not be used \
                 (RFC 5280 §5.2)"
                    .to_owned()
            }
            E::UnsupportedCrlVersion => "is not of version 2".to_owned(),
            E::UnsupportedRevocationReason => {
                "covers some revocation reasons only, and complete ones are needed".to_owned()
            }
            E::ParseError => "cannot be parsed".to_owned(),
            other => format!("cannot be used: {other:?}"),
        }),
        Err(other) => Err(format!("cannot be used: {other}")),
    }
}

/// When the first CRL expires, and the stage of it that was warned of.
#[derive(Debug, Clone, Default)]
struct CrlExpiry {
    key: &'static str,
    /// Of the list that expires first.
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

    /// 0: fresh; 1: a tenth of its time is left; 2: expired.
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
                "has expired: peers that it covers are refused"
            } else {
                "expires soon, and no newer one is installed"
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_expiry() {
        let dates = CrlDates {
            this_update: 1000,
            next_update: 2000,
        };
        let expiry = CrlExpiry::of("tls.crl_path", [dates].into_iter());
        let stages = [1000, 1899, 1900, 1999, 2000, 3000].map(|now| expiry.stage(now));
        assert_eq!(stages, [0, 0, 1, 1, 2, 2]);
        assert_eq!(CrlExpiry::default().stage(0), 0);
    }
}
