//! Trust material: the files that decide which peers are accepted.
//!
//! These are authorities, CRLs and ticket keys. Each part is read on its own and keeps its last good
//! state if it cannot be read. So a broken file does not delay a revocation in another file of the
//! same change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::RootCertStore;
use transport_core::TransportError;

use crate::crl::Crls;
use crate::dates::Seconds;
use crate::files::{self, ConfiguredPath};
use crate::pem;
use crate::resume::TicketKeys;

/// The paths of the trust material, with their configuration keys.
pub(crate) struct TrustPaths<'a> {
    ca: ConfiguredPath<'a>,
    crl_key: &'static str,
    crls: &'a [PathBuf],
    ticket_keys: ConfiguredPath<'a>,
}

impl<'a> TrustPaths<'a> {
    pub(crate) const fn new(
        (ca_key, ca): (&'static str, Option<&'a Path>),
        (crl_key, crls): (&'static str, &'a [PathBuf]),
        ticket_keys: Option<&'a Path>,
    ) -> Self {
        Self {
            ca: ConfiguredPath::new(ca_key, ca),
            crl_key,
            crls,
            ticket_keys: ConfiguredPath::new("tls.ticket_keys_path", ticket_keys),
        }
    }
}

type FileHash = Option<[u8; 32]>;

/// The last usable content of the trust files.
#[derive(Clone, Default)]
pub(crate) struct TrustMaterial {
    roots: Option<Arc<RootCertStore>>,
    roots_hash: FileHash,
    /// Whether the authorities are from memory. No file replaces them.
    roots_in_memory: bool,
    crls: Arc<Crls>,
    ticket_keys: Option<Arc<TicketKeys>>,
    ticket_keys_hash: FileHash,
}

impl TrustMaterial {
    /// Reads every part.
    ///
    /// # Errors
    /// If one cannot be used.
    pub(crate) fn load(paths: &TrustPaths<'_>) -> Result<Self, TransportError> {
        match Self::read(paths, &Self::default()) {
            (trust, None) => Ok(trust),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads every part.
    ///
    /// A part that cannot be used stays as in `before`. Also returns the first error.
    pub(crate) fn read(paths: &TrustPaths<'_>, before: &Self) -> (Self, Option<TransportError>) {
        let (crls, crl_error) = Crls::read(paths.crl_key, paths.crls, &before.crls);
        let mut next = Self {
            crls: Arc::new(crls),
            ..before.clone()
        };
        let roots_error = next.read_roots(paths.ca).err();
        let keys_error = next.read_ticket_keys(paths.ticket_keys).err();
        (next, roots_error.or(crl_error).or(keys_error))
    }

    /// Uses these authorities, which no file replaces.
    ///
    /// # Errors
    /// If one cannot be parsed.
    pub(crate) fn with_authorities(
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, TransportError> {
        let (mut roots, mut all) = (RootCertStore::empty(), Vec::new());
        for (index, authority) in authorities.into_iter().enumerate() {
            all.extend_from_slice(&(authority.len() as u64).to_be_bytes());
            all.extend_from_slice(&authority);
            let at = ConfiguredPath::new("authorities from memory", None);
            let failed = |cause| files::cert_unparsable(at, index, cause);
            roots.add(authority).map_err(failed)?;
        }
        Ok(Self {
            roots: Some(Arc::new(roots)),
            roots_hash: Some(files::sha256(&all)),
            roots_in_memory: true,
            ..Self::default()
        })
    }

    pub(crate) const fn has_roots_in_memory(&self) -> bool {
        self.roots_in_memory
    }

    fn read_roots(&mut self, ca: ConfiguredPath<'_>) -> Result<(), TransportError> {
        if self.roots_in_memory {
            return Ok(());
        }
        let Some(file) = files::certificates(ca)? else {
            (self.roots, self.roots_hash) = (None, None);
            return Ok(());
        };
        let hash = Some(files::sha256(&file));
        if hash == self.roots_hash {
            return Ok(());
        }
        let certificates = pem::certificates(&file).map_err(|why| files::cert_failed(ca, &why))?;
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.into_iter().enumerate() {
            roots
                .add(certificate)
                .map_err(|cause| files::cert_unparsable(ca, index, cause))?;
        }
        (self.roots, self.roots_hash) = (Some(Arc::new(roots)), hash);
        Ok(())
    }

    fn read_ticket_keys(&mut self, at: ConfiguredPath<'_>) -> Result<(), TransportError> {
        let Some(path) = at.path else {
            (self.ticket_keys, self.ticket_keys_hash) = (None, None);
            return Ok(());
        };
        let file = files::key(at.key, path)?;
        let hash = Some(files::sha256(&file));
        if hash != self.ticket_keys_hash {
            let failed = |why: String| files::key_failed(at.key, &why);
            self.ticket_keys = Some(Arc::new(TicketKeys::parse(&file).map_err(failed)?));
            self.ticket_keys_hash = hash;
        }
        Ok(())
    }

    pub(crate) const fn roots(&self) -> Option<&Arc<RootCertStore>> {
        self.roots.as_ref()
    }

    pub(crate) fn crls(&self) -> &Crls {
        &self.crls
    }

    /// Returns when the first CRL expires; `None` without CRLs.
    pub(crate) fn crl_next_update(&self) -> Option<SystemTime> {
        let end = self.crls.end();
        (end != Seconds::MAX).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(end))
    }

    /// Returns when the first CRL expires; `MAX` without CRLs.
    pub(crate) fn crls_end(&self) -> Seconds {
        self.crls.end()
    }

    pub(crate) const fn ticket_keys(&self) -> Option<&Arc<TicketKeys>> {
        self.ticket_keys.as_ref()
    }

    /// Returns whether both have the same content.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.roots_hash == other.roots_hash
            && self.ticket_keys_hash == other.ticket_keys_hash
            && self.crls.hashes().eq(other.crls.hashes())
    }

    /// Returns the hash of authorities, CRLs and settings, without ticket keys.
    pub(crate) fn digest<'a>(&self, settings: impl Iterator<Item = (&'a str, String)>) -> [u8; 32] {
        let mut all = Vec::new();
        let mut add = |part: &[u8]| {
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part);
        };
        for (key, value) in settings {
            add(key.as_bytes());
            add(value.as_bytes());
        }
        add(&self.roots_hash.unwrap_or_default());
        let mut crls: Vec<_> = self.crls.hashes().collect();
        crls.sort_unstable();
        for hash in crls {
            add(hash);
        }
        files::sha256(&all)
    }
}
