//! The private directory in memory for amnesia, removed on drop.
//!
//! A killed process leaves its directory behind. Each process holds a lock (flock(2)) on its
//! directory, so that the next start recognizes stale directories and removes them.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{flock, fstatfs, FlockOperation};
use transport_core::escape::escape;
use transport_core::TransportError;

use crate::error;
use crate::events::TARGET;

/// Linux file system types `TMPFS_MAGIC` and `RAMFS_MAGIC` (statfs(2)).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
/// Prefix of the directory's name.
const PREFIX: &str = "ron-transport-arti-";
/// Most random names tried.
const ATTEMPTS: usize = 8;

/// A private directory in memory.
#[derive(Debug)]
pub(crate) struct RamDir {
    path: PathBuf,
    /// Keeps the directory locked.
    _lock: File,
}

/// The candidate parent directories, in order.
pub(crate) fn places() -> impl Iterator<Item = PathBuf> {
    let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime_dir.into_iter().chain(["/dev/shm".into()])
}

impl RamDir {
    /// Creates a directory in the first candidate that is in memory.
    ///
    /// Removes stale directories there.
    ///
    /// # Errors
    /// [`TransportError::Config`] if no candidate can be used.
    pub(crate) fn create() -> Result<Self, TransportError> {
        Self::create_in(places())
    }

    fn create_in(places: impl Iterator<Item = PathBuf>) -> Result<Self, TransportError> {
        let mut why = String::new();
        for place in places {
            match Self::create_at(&place) {
                Ok(dir) => return Ok(dir),
                Err(error) => {
                    let place = escape(place.as_os_str().as_encoded_bytes()).whole();
                    why = format!("{why}; {place}: {error}");
                }
            }
        }
        Err(error::config(format!(
            "amnesia: cannot create Tor's private directory in memory (tmpfs or ramfs){why}"
        )))
    }

    fn create_at(place: &Path) -> io::Result<Self> {
        if !place.is_absolute() {
            return Err(io::Error::other("not an absolute path"));
        }
        in_memory(place)?;
        remove_stale(place);
        for _ in 0..ATTEMPTS {
            let path = place.join(format!("{PREFIX}{}", random_name()?));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let lock = lock(&path).inspect_err(|_| {
                let _ = fs::remove_dir(&path);
            })?;
            if let Some(lock) = lock {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::other("every random name is taken"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RamDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(
                target: TARGET,
                event = "shutdown",
                error = %error,
                "cannot remove the directory in memory",
            );
        }
    }
}

/// Fails unless the file system of `place` is in memory.
fn in_memory(place: &Path) -> io::Result<()> {
    let kind = u64::try_from(fstatfs(File::open(place)?)?.f_type).unwrap_or_default();
    if IN_MEMORY.contains(&kind) {
        return Ok(());
    }
    Err(io::Error::other("not in memory"))
}

/// Locks a directory; `None` if another process has locked or removed it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let dir = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    let ours = dir.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(Some(dir)),
        _ => Ok(None),
    }
}

/// Removes this user's stale directories; ignores failures, which affect no later start.
fn remove_stale(place: &Path) {
    let uid = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let ours = |meta: fs::Metadata| meta.is_dir() && meta.uid() == uid;
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if named && entry.metadata().is_ok_and(ours) {
            if let Ok(Some(_lock)) = lock(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| io::Error::other("the system provides no random numbers"))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}
