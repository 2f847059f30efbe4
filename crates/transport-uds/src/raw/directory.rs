//! The socket's directory: private, owned by this user, kept open.
//!
//! The checks use the open descriptor, and names are looked up relative to it. So another directory
//! that replaces it later is not used.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{flock, fstat, open, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use tokio::time::{sleep, Instant};
use transport_core::escape::escape;

/// Longest wait for another start in the same directory.
///
/// A start holds the lock for a few system calls.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Opens a directory that only this user can access.
///
/// # Errors
/// If it is missing, a symlink or not a directory, if others have any access, or if it belongs to
/// another user.
pub(super) fn open_private(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = open(path, flags, Mode::empty()).map_err(|errno| cannot_open(path, errno))?;
    let stat = fstat(&fd)?;
    let (mode, owner, ours) = (stat.st_mode & 0o7777, stat.st_uid, geteuid().as_raw());
    let dir = escape(path.as_os_str().as_encoded_bytes()).whole();
    let wrong = if owner != ours {
        format!("directory {dir} belongs to uid {owner}: it must be 0700 and belong to this user (uid {ours})")
    } else if mode & 0o077 != 0 {
        format!("directory {dir} is open to others (mode {mode:04o}): it must be 0700 and belong to this user")
    } else {
        return Ok(fd);
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, wrong))
}

fn cannot_open(path: &Path, errno: Errno) -> io::Error {
    let error = io::Error::from(errno);
    let dir = escape(path.as_os_str().as_encoded_bytes()).whole();
    let what = match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            format!("directory {dir} is a symlink: it must be a real directory")
        }
        Ok(found) if !found.is_dir() => format!("{dir} is not a directory"),
        _ => format!("directory {dir} cannot be opened: {error}"),
    };
    io::Error::new(error.kind(), what)
}

/// Locks the directory against other starts, with `flock`.
///
/// It writes no file. Closing the descriptor releases the lock.
///
/// # Errors
/// `WouldBlock` if another process holds the lock for a second.
///
/// # Cancel safety
/// A dropped call has not locked the directory.
pub(super) async fn lock(directory: &OwnedFd) -> io::Result<()> {
    let until = Instant::now() + LOCK_TIMEOUT;
    loop {
        match flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < until => sleep(LOCK_PAUSE).await,
            Err(Errno::WOULDBLOCK) => {
                return Err(io::Error::new(
                    io::ErrorKind::WouldBlock,
                    "another process holds the lock (flock) of the directory",
                ))
            }
            other => return Ok(other?),
        }
    }
}

/// Releases the lock for the next start.
pub(super) fn unlock(directory: &OwnedFd) -> io::Result<()> {
    Ok(flock(directory, FlockOperation::Unlock)?)
}
