//! The files that settings point at: read whole and bounded, keys with care, and remembered by
//! their hashes, so that a changed file is noticed whatever its name, link or date.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::RootCertStore;
use transport_core::escape::escape;
use transport_core::{open_regular_file, open_to_others, TransportError};
use zeroize::Zeroizing;

use crate::error::{tls, tls_by};
use crate::{chain, pem};

/// Longest file that is read: a whole trust store is a quarter of it.
const MAX_BYTES: u64 = 1 << 20;
/// Longest Certificate message (RFC 8446 §4.4.2) that a chain may make, its header included. Peers
/// refuse longer ones: rustls, and with it our own dialer, above 65,535 bytes for any handshake
/// message (`MAX_HANDSHAKE_SIZE`), OpenSSL above 102,400 (`SSL_CTX_set_max_cert_list(3)`), Go above
/// 262,144 (`maxHandshakeCertificateMsg`).
const MAX_CHAIN_MESSAGE: usize = 0xffff;

/// A configuration key and the path that it holds.
#[derive(Clone, Copy)]
pub(crate) struct ConfiguredPath<'a> {
    pub(crate) key: &'static str,
    pub(crate) path: Option<&'a Path>,
}

/// Where certificate, private key and trusted authorities are.
pub(crate) struct PairPaths<'a> {
    pub(crate) cert: ConfiguredPath<'a>,
    pub(crate) key: ConfiguredPath<'a>,
    pub(crate) ca: ConfiguredPath<'a>,
}

/// SHA-256 of each file, in the order of [`PairPaths`].
pub(crate) type FileHashes = [Option<[u8; 32]>; 3];

/// What the files held at one moment.
pub(crate) struct PemFiles<'a> {
    paths: PairPaths<'a>,
    cert: Option<Zeroizing<Vec<u8>>>,
    key: Option<Zeroizing<Vec<u8>>>,
    ca: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> PemFiles<'a> {
    /// Reads every file that there is a path for. Each is opened anew, by its path.
    ///
    /// # Errors
    /// With `tls cert read failed`, `tls key read failed` or `insecure permissions`.
    pub(crate) fn read(paths: PairPaths<'a>) -> Result<Self, TransportError> {
        let certificates =
            |at: ConfiguredPath<'_>| at.path.map(|path| certificates(at, path)).transpose();
        let key = |at: ConfiguredPath<'_>| at.path.map(|path| key(at.key, path)).transpose();
        Ok(Self {
            cert: certificates(paths.cert)?,
            key: key(paths.key)?,
            ca: certificates(paths.ca)?,
            paths,
        })
    }

    pub(crate) fn hashes(&self) -> FileHashes {
        [&self.cert, &self.key, &self.ca].map(|file| file.as_ref().map(|bytes| sha256(bytes)))
    }

    /// The certificate with its key, checked to belong together; `None` without either.
    ///
    /// # Errors
    /// As [`PemFiles::read`], when they cannot be parsed or used, or do not match.
    pub(crate) fn pair(
        &mut self,
        provider: &CryptoProvider,
    ) -> Result<Option<Arc<CertifiedKey>>, TransportError> {
        let (Some(cert), Some(mut pem)) = (&self.cert, self.key.take()) else {
            return Ok(None);
        };
        let chain = pem::certificates(cert).map_err(|why| cert_failed(self.paths.cert, &why))?;
        let key_name = self.paths.key.key;
        let key = pem::private_key(&mut pem).map_err(|why| key_failed(key_name, &why))?;
        pair(chain, &key, provider, self.paths.cert, key_name).map(Some)
    }

    /// The trusted authorities; `None` without a file of them.
    ///
    /// # Errors
    /// With `tls cert read failed`, when one cannot be parsed.
    pub(crate) fn roots(&self) -> Result<Option<RootCertStore>, TransportError> {
        let Some(ca) = &self.ca else {
            return Ok(None);
        };
        let at = self.paths.ca;
        let mut roots = RootCertStore::empty();
        let found = pem::certificates(ca).map_err(|why| cert_failed(at, &why))?;
        for (number, certificate) in found.into_iter().enumerate() {
            let unusable = |cause| tls_by(cert_text(at, &unparsable(number)), cause);
            roots.add(certificate).map_err(unusable)?;
        }
        Ok(Some(roots))
    }
}

/// A chain and its key, parsed, checked to belong together and put in order. Whoever owns the key's
/// bytes overwrites them.
///
/// # Errors
/// With `tls cert read failed` or `tls key read failed`.
pub(crate) fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
    cert: ConfiguredPath<'_>,
    key_name: &'static str,
) -> Result<Arc<CertifiedKey>, TransportError> {
    let message = message_len(&chain);
    if message > MAX_CHAIN_MESSAGE {
        let why = format!(
            "its {} certificates make a TLS message of {message} bytes, and peers take \
             {MAX_CHAIN_MESSAGE} at most (OpenSSL 102400): leave the leaf and its intermediates",
            chain.len()
        );
        return Err(cert_failed(cert, &why));
    }
    for (number, certificate) in chain.iter().enumerate() {
        let unusable = |cause| tls_by(cert_text(cert, &unparsable(number)), cause);
        ParsedCertificate::try_from(certificate).map_err(unusable)?;
    }
    // The provider overwrites the copy that it is given.
    let key = provider.key_provider.load_private_key(key.clone_key());
    let unusable =
        "it is no key that can be used: RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or \
                    P-521, or Ed25519";
    let key = key.map_err(|cause| tls_by(key_text(key_name, unusable), cause))?;
    let certificates = chain.len();
    let chain = match key.public_key() {
        Some(spki) => chain::ordered(chain, &spki).map(|ordered| {
            ordered.warn(cert.key);
            ordered.chain
        }),
        None => Some(chain),
    };
    let pair = CertifiedKey::new(chain.unwrap_or_default(), key);
    let other = match certificates {
        0 | 1 => format!("it does not belong to the certificate of {}", cert.key),
        many => format!(
            "it belongs to none of the {many} certificates of {}",
            cert.key
        ),
    };
    pair.keys_match()
        .map_err(|cause| tls_by(key_text(key_name, &other), cause))?;
    Ok(Arc::new(pair))
}

/// The length of the Certificate message of a chain (RFC 8446 §4.4.2): header, an empty context and
/// the length of the list, then each certificate with its length and its empty extensions.
fn message_len(chain: &[CertificateDer<'_>]) -> usize {
    let entries = chain.iter().map(|certificate| 3 + certificate.len() + 2);
    4 + 1 + 3 + entries.sum::<usize>()
}

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// A file of certificates is missing, and needed.
pub(crate) fn cert_failed(at: ConfiguredPath<'_>, why: &str) -> TransportError {
    tls(cert_text(at, why))
}

/// A private key is missing, and needed.
pub(crate) fn key_failed(key: &str, why: &str) -> TransportError {
    tls(key_text(key, why))
}

/// A path as the value of a key.
fn shown(path: &Path) -> String {
    let path = escape(path.as_os_str().as_encoded_bytes()).whole();
    format!(" = {path}")
}

fn cert_text(at: ConfiguredPath<'_>, why: &str) -> String {
    let path = at.path.map(shown);
    format!(
        "tls cert read failed: {}{}: {why}",
        at.key,
        path.unwrap_or_default()
    )
}

/// A file of CRLs cannot be used.
pub(crate) fn crl_failed(at: ConfiguredPath<'_>, why: &str) -> TransportError {
    tls(crl_text(at, why))
}

pub(crate) fn crl_text(at: ConfiguredPath<'_>, why: &str) -> String {
    let path = at.path.map(shown).unwrap_or_default();
    format!("tls crl read failed: {}{path}: {why}", at.key)
}

/// The path of a key is never named: the key of the configuration says enough.
fn key_text(key: &str, why: &str) -> String {
    format!("tls key read failed: {key}: {why}")
}

fn unparsable(number: usize) -> String {
    format!("certificate {} in it cannot be parsed", number + 1)
}

fn certificates(at: ConfiguredPath<'_>, path: &Path) -> Result<Zeroizing<Vec<u8>>, TransportError> {
    let bytes = open(path).and_then(|(file, len)| contents(file, len));
    bytes.map_err(|cause| tls_by(cert_text(at, &cause.to_string()), cause))
}

/// Reads a file that its owner alone may read.
///
/// # Errors
/// With `tls key read failed` or `insecure permissions`.
pub(crate) fn key(name: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TransportError> {
    let failed = |cause: io::Error| tls_by(key_text(name, &cause.to_string()), cause);
    let (file, len) = open(path).map_err(failed)?;
    // Asked of the opened file: a link's own mode says nothing, and nobody can swap it meanwhile.
    if let Some(mode) = open_to_others(&file).map_err(failed)? {
        return Err(tls(format!(
            "insecure permissions: {name}: its mode is {mode:04o}, so that others than its owner \
             get at the key; make it 0600 or 0400"
        )));
    }
    contents(file, len).map_err(failed)
}

/// A file's bytes, overwritten when they are dropped: a file of certificates may hold a key too.
fn contents(mut file: File, len: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // As long as the file from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; len]);
    let mut filled = 0;
    while filled < len {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads a file of at most so many bytes.
pub(crate) fn bounded(path: &Path, max_bytes: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let (file, len) = open_bounded(path, max_bytes)?;
    contents(file, len)
}

fn open(path: &Path) -> io::Result<(File, usize)> {
    open_bounded(path, MAX_BYTES)
}

/// Opens a regular file of bounded length.
fn open_bounded(path: &Path, max_bytes: u64) -> io::Result<(File, usize)> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
    let file = open_regular_file(path)?;
    let len = file.metadata()?.len();
    match usize::try_from(len) {
        Ok(bytes) if len <= max_bytes => Ok((file, bytes)),
        _ => Err(wrong(&format!("it is longer than {} MiB", max_bytes >> 20))),
    }
}
