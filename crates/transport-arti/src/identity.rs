//! The onion service's private key, which determines its address.

use std::io::{self, Read};
use std::path::Path;

use tor_hscrypto::pk::{HsId, HsIdKey, HsIdKeypair};
use tor_llcrypto::pk::ed25519::ExpandedKeypair;
use transport_core::{open_regular_file, open_to_others, TransportError};
use zeroize::Zeroizing;

use crate::error;

const KEY: &str = "arti.onion_service.identity_path";
/// The header of tor's `hs_ed25519_secret_key` file, 32 bytes.
const HEADER: &[u8; 32] = b"== ed25519v1-secret: type0 ==\0\0\0";
/// Length of an expanded Ed25519 secret key.
const SECRET_BYTES: usize = 64;

/// An expanded Ed25519 key, zeroed on drop.
pub(crate) struct OnionIdentity(Zeroizing<[u8; SECRET_BYTES]>);

impl OnionIdentity {
    /// Reads a key file in tor's format, `hs_ed25519_secret_key` (96 bytes).
    ///
    /// # Errors
    /// [`TransportError::Config`], without the path, if the file cannot be read or holds no such
    /// key; with the text `insecure permissions` if others than its owner have access.
    pub(crate) fn read(path: &Path) -> Result<Self, TransportError> {
        let failed = |cause: io::Error| error::config_by(format!("{KEY}: {cause}"), cause);
        let mut file = open_regular_file(path).map_err(failed)?;
        // Checked on the open file, which cannot be exchanged meanwhile.
        if let Some(mode) = open_to_others(&file).map_err(failed)? {
            return Err(error::config(format!(
                "insecure permissions: {KEY}: mode {mode:04o} gives others than the owner access \
                 to the key; set it to 0600 or 0400"
            )));
        }
        // One byte more than a key, to detect a longer file.
        let mut bytes = Zeroizing::new([0; HEADER.len() + SECRET_BYTES + 1]);
        let mut filled = 0;
        loop {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let secret = bytes[..filled].strip_prefix(HEADER);
        let secret = secret.and_then(|secret| <[u8; SECRET_BYTES]>::try_from(secret).ok());
        let identity = secret.map(|secret| Self(Zeroizing::new(secret)));
        match identity {
            Some(identity) if identity.keypair().is_some() => Ok(identity),
            _ => Err(error::config(format!(
                "{KEY}: not an onion service key; expected tor's hs_ed25519_secret_key, 96 bytes"
            ))),
        }
    }

    /// Generates a key, held in memory only.
    ///
    /// # Errors
    /// [`TransportError::Config`] if the system provides no random numbers.
    pub(crate) fn random() -> Result<Self, TransportError> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        aws_lc_rs::rand::fill(&mut *secret)
            .map_err(|_| error::config("the system provides no random numbers for a key"))?;
        // RFC 8032 section 5.1.5: a multiple of the cofactor, with its highest bit set.
        secret[0] &= 0xf8;
        secret[31] = secret[31] & 0x7f | 0x40;
        Ok(Self(secret))
    }

    /// The key in Arti's type; `None` if it is no valid key.
    pub(crate) fn keypair(&self) -> Option<HsIdKeypair> {
        ExpandedKeypair::from_secret_key_bytes(*self.0).map(HsIdKeypair::from)
    }

    /// The onion address of the key.
    ///
    /// # Errors
    /// [`TransportError::Config`] if it is no valid key.
    pub(crate) fn address(&self) -> Result<HsId, TransportError> {
        let keypair = self
            .keypair()
            .ok_or_else(|| error::config("the onion service's key is not a valid Ed25519 key"))?;
        Ok(HsIdKey::from(&keypair).id())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(bytes: &[u8], mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret-place");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn file_of(identity: &OnionIdentity) -> Vec<u8> {
        [&HEADER[..], &identity.0[..]].concat()
    }

    #[test]
    fn key_read_from_file() {
        let made = OnionIdentity::random().unwrap();
        let (_dir, path) = written(&file_of(&made), 0o400);
        let read = OnionIdentity::read(&path).unwrap();
        assert_eq!(read.address().unwrap(), made.address().unwrap());
        let other = OnionIdentity::random().unwrap();
        assert_ne!(other.address().unwrap(), made.address().unwrap());
    }

    #[test]
    fn insecure_permissions_refused() {
        let (_dir, path) = written(&file_of(&OnionIdentity::random().unwrap()), 0o640);
        let error = OnionIdentity::read(&path).err().unwrap().to_string();
        assert!(error.contains("insecure permissions"), "{error}");
        assert!(!error.contains("secret-place"), "{error}");
    }

    #[test]
    fn invalid_key_refused_without_path() {
        let good = file_of(&OnionIdentity::random().unwrap());
        let longer = [&good[..], b"x"].concat();
        for bytes in [&b""[..], b"x", &good[1..], &good[..95], &longer] {
            let (_dir, path) = written(bytes, 0o600);
            let error = OnionIdentity::read(&path).err().unwrap().to_string();
            assert!(error.contains("hs_ed25519_secret_key"), "{error}");
            assert!(!error.contains("secret-place"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("secret-place");
        let error = OnionIdentity::read(&missing).err().unwrap().to_string();
        assert!(error.starts_with(KEY) && !error.contains("secret-place"));
        assert!(OnionIdentity::read(dir.path()).is_err());
    }
}
