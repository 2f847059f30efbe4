//! Files with certificates and keys.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Leaf;

/// A temporary directory for certificates and keys, removed on drop.
///
/// Files are replaced atomically, so a service that watches them never reads half a file.
///
/// # Panics
/// All methods panic where the file system fails.
#[derive(Debug)]
pub struct PkiDir(TempDir);

impl PkiDir {
    /// Creates an empty directory.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a file in the directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns the path of a file as text.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and returns its path.
    #[allow(clippy::must_use_candidate)]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        self.replace(name, text, 0o644)
    }

    /// Writes a file that only its owner can read.
    #[allow(clippy::must_use_candidate)]
    pub fn write_private(&self, name: &str, text: &str) -> PathBuf {
        self.replace(name, text, 0o600)
    }

    /// Writes `NAME.pem` with the certificate chain and `NAME.key` with the key.
    pub fn write_pair(&self, name: &str, leaf: &Leaf) {
        self.write_private(&format!("{name}.key"), &leaf.key_pem());
        self.write(&format!("{name}.pem"), &leaf.cert);
    }

    fn replace(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let (path, next) = (self.path(name), self.path(&format!("{name}.next")));
        fs::write(&next, text).unwrap();
        set_mode(&next, mode);
        fs::rename(next, &path).unwrap();
        path
    }
}

impl Default for PkiDir {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}
