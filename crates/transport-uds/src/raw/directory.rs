//! The directory a socket is made in: private, ours, and held open.
//!
//! The checks run on the open descriptor, and whoever holds it looks names up relative to it, so
//! that a directory put in its place afterwards is not mistaken for it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{flock, fstat, open, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use tokio::time::{sleep, Instant};
use transport_core::escape::escape;

/// How long a start waits for another one in the same directory. A start holds the lock for a few
/// system calls.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Opens a directory that nobody but this user can change.
///
/// # Errors
/// When it is missing, a symlink or no directory, when others have any access, and when it
/// belongs to another user.
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
        Ok(found) if !found.is_dir() => format!("{dir} is no directory"),
        _ => format!("directory {dir} cannot be opened: {error}"),
    };
    io::Error::new(error.kind(), what)
}

/// Waits for the other starts in this directory. The lock is the kernel's alone, no file is
/// written, and it ends with the descriptor at the latest.
///
/// # Errors
/// When it is still taken after a second.
///
/// # Cancel safety
/// A dropped call has not locked.
pub(super) async fn lock(directory: &OwnedFd) -> io::Result<()> {
    let until = Instant::now() + LOCK_PATIENCE;
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

/// Lets the next start go on.
pub(super) fn unlock(directory: &OwnedFd) -> io::Result<()> {
    Ok(flock(directory, FlockOperation::Unlock)?)
}
