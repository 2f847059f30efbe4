//! Bounded reads of configured files, and their error texts.
//!
//! Private keys are read with care. A changed file is recognized by its hash, whatever its name,
//! link or date.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest;
use transport_core::escape::escape;
use transport_core::{open_regular_file, open_to_others, TransportError};
use zeroize::Zeroizing;

use crate::error::{tls, tls_by};

/// Longest certificate or key file in bytes.
///
/// Four times a whole trust store.
const MAX_BYTES: u64 = 1 << 20;

/// A configuration key with the path that it holds.
#[derive(Clone, Copy)]
pub(crate) struct ConfiguredPath<'a> {
    pub(crate) key: &'static str,
    pub(crate) path: Option<&'a Path>,
}

impl<'a> ConfiguredPath<'a> {
    pub(crate) const fn new(key: &'static str, path: Option<&'a Path>) -> Self {
        Self { key, path }
    }

    /// Returns key and path as errors show them: `key = path`.
    fn shown(self) -> String {
        let Some(path) = self.path else {
            return self.key.to_owned();
        };
        let path = escape(path.as_os_str().as_encoded_bytes()).whole();
        format!("{} = {path}", self.key)
    }
}

/// Returns SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Returns the error of a certificate file that cannot be used.
pub(crate) fn cert_failed(at: ConfiguredPath<'_>, why: &str) -> TransportError {
    tls(cert_text(at, why))
}

/// Returns the error of a certificate that cannot be parsed.
///
/// The certificate has this index in its file.
pub(crate) fn cert_unparsable(
    at: ConfiguredPath<'_>,
    index: usize,
    cause: impl std::error::Error + Send + Sync + 'static,
) -> TransportError {
    let why = format!("certificate {} in it cannot be parsed", index + 1);
    tls_by(cert_text(at, &why), cause)
}

/// Returns the error of a private key that cannot be used.
pub(crate) fn key_failed(key: &str, why: &str) -> TransportError {
    tls(key_text(key, why))
}

/// Returns the error of a CRL file that cannot be used.
pub(crate) fn crl_failed(at: ConfiguredPath<'_>, why: &str) -> TransportError {
    tls(crl_text(at, why))
}

fn cert_text(at: ConfiguredPath<'_>, why: &str) -> String {
    format!("tls cert read failed: {}: {why}", at.shown())
}

pub(crate) fn crl_text(at: ConfiguredPath<'_>, why: &str) -> String {
    format!("tls crl read failed: {}: {why}", at.shown())
}

/// Names the configuration key only.
///
/// The path of a private key is not logged.
pub(crate) fn key_text(key: &str, why: &str) -> String {
    format!("tls key read failed: {key}: {why}")
}

/// Reads a configured file of certificates; `None` without a path.
///
/// # Errors
/// With `tls cert read failed`.
pub(crate) fn certificates(
    at: ConfiguredPath<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>, TransportError> {
    let failed = |cause: io::Error| tls_by(cert_text(at, &cause.to_string()), cause);
    at.path
        .map(|path| bounded(path, MAX_BYTES).map_err(failed))
        .transpose()
}

/// Reads a file that only its owner can read.
///
/// # Errors
/// With `tls key read failed` or `insecure permissions`.
pub(crate) fn key(name: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TransportError> {
    let failed = |cause: io::Error| tls_by(key_text(name, &cause.to_string()), cause);
    let (file, len) = open(path, MAX_BYTES).map_err(failed)?;
    // Checked on the open file: a symlink has its own mode, and a path can change meanwhile.
    if let Some(mode) = open_to_others(&file).map_err(failed)? {
        return Err(tls(format!(
            "insecure permissions: {name}: mode {mode:04o} gives access to users other than the \
             owner; make it 0600 or 0400"
        )));
    }
    contents(file, len).map_err(failed)
}

/// Reads a file of at most `max_bytes`.
///
/// Its bytes are overwritten when dropped: a file of certificates can contain a key too.
pub(crate) fn bounded(path: &Path, max_bytes: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let (file, len) = open(path, max_bytes)?;
    contents(file, len)
}

fn contents(mut file: File, len: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // Allocated once: a buffer that grows leaves copies behind.
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

/// Opens a regular file of at most `max_bytes`, and returns its length.
fn open(path: &Path, max_bytes: u64) -> io::Result<(File, usize)> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
    let file = open_regular_file(path)?;
    let len = file.metadata()?.len();
    match usize::try_from(len) {
        Ok(bytes) if len <= max_bytes => Ok((file, bytes)),
        _ => Err(invalid(&format!(
            "it is longer than {} MiB",
            max_bytes >> 20
        ))),
    }
}
