//! A client certificate with its private key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use transport_core::TransportError;
use zeroize::Zeroizing;

use crate::files;
use crate::pair::{self, PairFiles, PairPaths};
use crate::provider::provider;
use crate::PqMode;

/// A client certificate with its private key, for single dials.
///
/// ```no_run
/// use std::path::Path;
///
/// use transport_tls::ClientIdentity;
///
/// let identity = ClientIdentity::load(Path::new("tenant.pem"), Path::new("tenant.key"))?;
/// # Ok::<(), transport_core::TransportError>(())
/// ```
#[derive(Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// Uses a chain (leaf first) and a key from memory.
    ///
    /// The key is overwritten after parsing.
    ///
    /// # Errors
    /// [`TransportError::Tls`] for a certificate or key that cannot be used, or that do not match.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TransportError> {
        let key = Zeroizing::new(key);
        pair::pair(chain, &key, &provider(PqMode::Off), &paths(None, None)).map(Self)
    }

    /// Reads PEM files; only the owner may read the key. Blocks on file I/O.
    ///
    /// # Errors
    /// As [`ClientTls::load`](crate::ClientTls::load).
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TransportError> {
        let pair = PairFiles::read(paths(Some(cert), Some(key)))?.parse(&provider(PqMode::Off))?;
        let missing = || files::cert_failed(paths(Some(cert), None).cert, "it is empty");
        pair.map(Self).ok_or_else(missing)
    }

    pub(super) fn pair(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

/// Names the two parts in errors.
fn paths<'a>(cert: Option<&'a Path>, key: Option<&'a Path>) -> PairPaths<'a> {
    PairPaths::new(("client certificate", cert), ("client key", key))
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}
