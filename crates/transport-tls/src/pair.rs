//! A certificate chain and its private key.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;
use transport_core::TransportError;
use zeroize::Zeroizing;

use crate::error::tls_by;
use crate::files::{self, ConfiguredPath};
use crate::{chain, pem};

/// Longest Certificate message (RFC 8446 §4.4.2) in bytes, its header included.
///
/// Peers refuse longer ones: rustls, and so our own dialer, above 65,535 bytes for any handshake
/// message (`MAX_HANDSHAKE_SIZE`), OpenSSL above 102,400 (`SSL_CTX_set_max_cert_list(3)`), Go above
/// 262,144 (`maxHandshakeCertificateMsg`).
const MAX_CHAIN_MESSAGE: usize = 0xffff;

/// The paths of certificate and key.
pub(crate) struct PairPaths<'a> {
    pub(crate) cert: ConfiguredPath<'a>,
    pub(crate) key: ConfiguredPath<'a>,
}

impl<'a> PairPaths<'a> {
    pub(crate) const fn new(
        (cert_key, cert): (&'static str, Option<&'a Path>),
        (key_key, key): (&'static str, Option<&'a Path>),
    ) -> Self {
        Self {
            cert: ConfiguredPath::new(cert_key, cert),
            key: ConfiguredPath::new(key_key, key),
        }
    }
}

/// SHA-256 of the certificate file and of the key file.
pub(crate) type PairHashes = [Option<[u8; 32]>; 2];

/// The content of both files at one moment.
pub(crate) struct PairFiles<'a> {
    paths: PairPaths<'a>,
    cert: Option<Zeroizing<Vec<u8>>>,
    key: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> PairFiles<'a> {
    /// Reads the configured files, each opened again by its path.
    ///
    /// # Errors
    /// With `tls cert read failed`, `tls key read failed` or `insecure permissions`.
    pub(crate) fn read(paths: PairPaths<'a>) -> Result<Self, TransportError> {
        let key = |at: ConfiguredPath<'_>| at.path.map(|path| files::key(at.key, path)).transpose();
        Ok(Self {
            cert: files::certificates(paths.cert)?,
            key: key(paths.key)?,
            paths,
        })
    }

    pub(crate) fn hashes(&self) -> PairHashes {
        [&self.cert, &self.key].map(|file| file.as_ref().map(|bytes| files::sha256(bytes)))
    }

    /// Parses the pair, and checks that key and certificate match.
    ///
    /// `None` without either file.
    ///
    /// # Errors
    /// As [`PairFiles::read`], for files that cannot be parsed or used, or do not match.
    pub(crate) fn parse(
        &mut self,
        provider: &CryptoProvider,
    ) -> Result<Option<Arc<CertifiedKey>>, TransportError> {
        let (Some(cert), Some(mut pem)) = (&self.cert, self.key.take()) else {
            return Ok(None);
        };
        let paths = &self.paths;
        let chain = pem::certificates(cert).map_err(|why| files::cert_failed(paths.cert, &why))?;
        let key =
            pem::private_key(&mut pem).map_err(|why| files::key_failed(paths.key.key, &why))?;
        pair(chain, &key, provider, paths).map(Some)
    }
}

/// Parses a chain and its key, and orders the chain.
///
/// Checks that they match. The caller overwrites the bytes of the key.
///
/// # Errors
/// With `tls cert read failed` or `tls key read failed`.
pub(crate) fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
    paths: &PairPaths<'_>,
) -> Result<Arc<CertifiedKey>, TransportError> {
    let (cert, key_name) = (paths.cert, paths.key.key);
    let message = message_len(&chain);
    if message > MAX_CHAIN_MESSAGE {
        let why = format!(
            "its {} certificates make a TLS message of {message} bytes, and peers accept at most \
             {MAX_CHAIN_MESSAGE} (OpenSSL 102400): keep only the leaf and its intermediates",
            chain.len()
        );
        return Err(files::cert_failed(cert, &why));
    }
    for (index, certificate) in chain.iter().enumerate() {
        ParsedCertificate::try_from(certificate)
            .map_err(|cause| files::cert_unparsable(cert, index, cause))?;
    }
    // The provider overwrites the copy that it receives.
    let key = provider.key_provider.load_private_key(key.clone_key());
    let unusable =
        "the key type is not supported: use RSA of 2048 to 8192 bits, ECDSA P-256, P-384 \
                    or P-521, or Ed25519";
    let key = key.map_err(|cause| tls_by(files::key_text(key_name, unusable), cause))?;
    let certificates = chain.len();
    let chain = match key.public_key() {
        Some(spki) => chain::ordered(chain, &spki).map(|ordered| {
            ordered.warn(cert.key);
            ordered.chain
        }),
        None => Some(chain),
    };
    let pair = CertifiedKey::new(chain.unwrap_or_default(), key);
    let mismatch = match certificates {
        0 | 1 => format!("it does not belong to the certificate of {}", cert.key),
        many => format!(
            "it belongs to none of the {many} certificates of {}",
            cert.key
        ),
    };
    pair.keys_match()
        .map_err(|cause| tls_by(files::key_text(key_name, &mismatch), cause))?;
    Ok(Arc::new(pair))
}

/// Returns the byte length of a chain's Certificate message.
///
/// RFC 8446 §4.4.2 defines it. It has a header, an empty context, the length of the list, and per
/// certificate its length and its empty extensions.
fn message_len(chain: &[CertificateDer<'_>]) -> usize {
    let entries = chain.iter().map(|certificate| 3 + certificate.len() + 2);
    4 + 1 + 3 + entries.sum::<usize>()
}
