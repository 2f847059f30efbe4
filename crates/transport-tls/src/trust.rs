//! Everything that decides which peers come in: authorities, CRLs, ticket keys.
//!
//! Each part is read on its own and keeps its last good state where it cannot be read. So a broken
//! file delays no revocation that another file of the same change carries.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use transport_core::TransportError;

use crate::crl::Crls;
use crate::dates::Seconds;
use crate::error::tls;
use crate::files::{self, ConfiguredPath, PairPaths, PemFiles};
use crate::resume::TicketKeys;

/// Where the parts are.
pub(crate) struct TrustPaths<'a> {
    pub(crate) ca: ConfiguredPath<'a>,
    pub(crate) crl_key: &'static str,
    pub(crate) crls: &'a [PathBuf],
    pub(crate) ticket_keys: ConfiguredPath<'a>,
}

type FileHash = Option<[u8; 32]>;

/// The last usable content of the files.
#[derive(Clone, Default)]
pub(crate) struct TrustMaterial {
    roots: Option<Arc<RootCertStore>>,
    roots_hash: FileHash,
    crls: Arc<Crls>,
    ticket_keys: Option<Arc<TicketKeys>>,
    ticket_keys_hash: FileHash,
}

impl TrustMaterial {
    /// Reads every part.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn load(paths: &TrustPaths<'_>) -> Result<Self, TransportError> {
        match Self::read(paths, &Self::default()) {
            (trust, None) => Ok(trust),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads every part; one that cannot be used stays as it was, and its error comes along.
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

    fn read_roots(&mut self, ca: ConfiguredPath<'_>) -> Result<(), TransportError> {
        let none = ConfiguredPath { path: None, ..ca };
        let files = PemFiles::read(PairPaths {
            cert: none,
            key: none,
            ca,
        })?;
        let [.., hash] = files.hashes();
        if hash != self.roots_hash {
            self.roots = files.roots()?.map(Arc::new);
            self.roots_hash = hash;
        }
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
            let wrong = |why| tls(format!("tls key read failed: {}: {why}", at.key));
            self.ticket_keys = Some(Arc::new(TicketKeys::parse(&file).map_err(wrong)?));
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

    /// When the first CRL expires; `MAX` without any.
    pub(crate) fn crls_end(&self) -> Seconds {
        self.crls.end()
    }

    pub(crate) const fn ticket_keys(&self) -> Option<&Arc<TicketKeys>> {
        self.ticket_keys.as_ref()
    }

    /// Whether both hold the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.roots_hash == other.roots_hash
            && self.ticket_keys_hash == other.ticket_keys_hash
            && self.crls.hashes().eq(other.crls.hashes())
    }

    /// The hash of authorities, CRLs and these settings. Ticket keys are left out.
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
