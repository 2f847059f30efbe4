//! A directory in memory, for amnesia: private, on tmpfs or ramfs, removed when it is dropped.
//!
//! A process that is killed leaves its directory behind. Each is held locked (flock(2)) for as
//! long as its process lives, so whoever starts next can tell the dead ones and removes them.

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

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of Linux (statfs(2)).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
/// What the name of every such directory begins with.
const PREFIX: &str = "ron-transport-arti-";
/// Names tried: one is free unless a random number was drawn twice.
const ATTEMPTS: usize = 8;

/// A private directory in memory.
#[derive(Debug)]
pub(crate) struct RamDir {
    path: PathBuf,
    /// Open and locked: this directory has an owner.
    _owned: File,
}

/// The places that are tried for it, in their order.
pub(crate) fn places() -> impl Iterator<Item = PathBuf> {
    let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime_dir.into_iter().chain(["/dev/shm".into()])
}

impl RamDir {
    /// Makes one in the first place that is memory, and removes what dead processes left there.
    ///
    /// # Errors
    /// [`TransportError::Config`], where no such place is.
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
            "amnesia: Tor needs a private directory in memory (tmpfs), and there is none{why}"
        )))
    }

    fn create_at(place: &Path) -> io::Result<Self> {
        if !place.is_absolute() {
            return Err(io::Error::other("it is no absolute path"));
        }
        in_memory(place)?;
        remove_stale(place);
        for _ in 0..ATTEMPTS {
            let path = place.join(format!("{PREFIX}{}", random_name()?));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let owned = own(&path).inspect_err(|_| {
                let _ = fs::remove_dir(&path);
            })?;
            if let Some(owned) = owned {
                return Ok(Self {
                    path,
                    _owned: owned,
                });
            }
        }
        Err(io::Error::other("every name was taken"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RamDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(
                target: crate::net::TARGET,
                event = "shutdown",
                error = %error,
                "the directory in memory could not be removed",
            );
        }
    }
}

/// Asks the file system itself.
fn in_memory(place: &Path) -> io::Result<()> {
    let kind = u64::try_from(fstatfs(File::open(place)?)?.f_type).unwrap_or_default();
    if IN_MEMORY.contains(&kind) {
        return Ok(());
    }
    Err(io::Error::other("it is not in memory"))
}

/// Locks a directory; `None` where somebody else has, or has removed it meanwhile.
fn own(path: &Path) -> io::Result<Option<File>> {
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

/// Removes the directories of this user's dead processes. What cannot be removed stays: it is not
/// in anybody's way.
fn remove_stale(place: &Path) {
    let uid = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let ours = |meta: fs::Metadata| meta.is_dir() && meta.uid() == uid;
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if named && entry.metadata().is_ok_and(ours) {
            if let Ok(Some(_owned)) = own(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}
