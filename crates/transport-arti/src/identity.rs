//! The private key of the onion service, which is its address: out of a file, or made here where
//! nothing may be kept.

use std::io::{self, Read};
use std::path::Path;

use tor_hscrypto::pk::HsIdKeypair;
use tor_llcrypto::pk::ed25519::ExpandedKeypair;
use transport_core::{open_regular_file, open_to_others, TransportError};
use zeroize::Zeroizing;

use crate::error;

const KEY: &str = "arti.onion_service.identity_path";
/// What the file of an onion service's key begins with (tor's `hs_ed25519_secret_key`): 32 bytes.
const HEADER: &[u8; 32] = b"== ed25519v1-secret: type0 ==\0\0\0";
/// An expanded Ed25519 secret key.
const SECRET_BYTES: usize = 64;

/// An expanded Ed25519 key, overwritten when it is dropped.
pub(crate) struct Identity(Zeroizing<[u8; SECRET_BYTES]>);

impl Identity {
    /// Reads a key as tor keeps it: `hs_ed25519_secret_key`, 96 bytes.
    ///
    /// # Errors
    /// [`TransportError::Config`], which does not show where the file is; with
    /// `insecure permissions`, where others than its owner get at it.
    pub(crate) fn read(path: &Path) -> Result<Self, TransportError> {
        let failed = |cause: io::Error| error::config_by(format!("{KEY}: {cause}"), cause);
        let mut file = open_regular_file(path).map_err(failed)?;
        // Asked of the opened file: nobody can swap it meanwhile.
        if let Some(mode) = open_to_others(&file).map_err(failed)? {
            return Err(error::config(format!(
                "insecure permissions: {KEY}: its mode is {mode:04o}, so that others than its \
                 owner get at the key; make it 0600 or 0400"
            )));
        }
        // One byte more than a key: a longer file is none.
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
                "{KEY}: it is no hs_ed25519_secret_key of an onion service"
            ))),
        }
    }

    /// A fresh one, kept nowhere but here.
    ///
    /// # Errors
    /// [`TransportError::Config`], where the system has no random numbers.
    pub(crate) fn random() -> Result<Self, TransportError> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        aws_lc_rs::rand::fill(&mut *secret)
            .map_err(|_| error::config("the system has no random numbers"))?;
        // RFC 8032 §5.1.5: a multiple of the cofactor, with its highest bit set.
        secret[0] &= 0xf8;
        secret[31] = secret[31] & 0x7f | 0x40;
        Ok(Self(secret))
    }

    /// The key as Arti wants it.
    pub(crate) fn keypair(&self) -> Option<HsIdKeypair> {
        ExpandedKeypair::from_secret_key_bytes(*self.0).map(HsIdKeypair::from)
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

    fn file_of(identity: &Identity) -> Vec<u8> {
        [&HEADER[..], &identity.0[..]].concat()
    }

    fn address(identity: &Identity) -> tor_hscrypto::pk::HsId {
        crate::onion::hsid(identity).unwrap()
    }

    #[test]
    fn a_key_survives_its_file() {
        let made = Identity::random().unwrap();
        let (_dir, path) = written(&file_of(&made), 0o400);
        let read = Identity::read(&path).unwrap();
        assert_eq!(address(&read), address(&made));
        assert_ne!(address(&Identity::random().unwrap()), address(&made));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let (_dir, path) = written(&file_of(&Identity::random().unwrap()), 0o640);
        let error = Identity::read(&path).err().unwrap().to_string();
        assert!(error.contains("insecure permissions"), "{error}");
        assert!(!error.contains("secret-place"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_refused_without_its_path() {
        let good = file_of(&Identity::random().unwrap());
        let longer = [&good[..], b"x"].concat();
        for bytes in [&b""[..], b"x", &good[1..], &good[..95], &longer] {
            let (_dir, path) = written(bytes, 0o600);
            let error = Identity::read(&path).err().unwrap().to_string();
            assert!(error.contains("hs_ed25519_secret_key"), "{error}");
            assert!(!error.contains("secret-place"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("secret-place");
        let error = Identity::read(&missing).err().unwrap().to_string();
        assert!(error.starts_with(KEY) && !error.contains("secret-place"));
        assert!(Identity::read(dir.path()).is_err());
    }
}
