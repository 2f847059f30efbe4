//! The file of a listening socket.
//!
//! It is created with mode 0600, and removed at the end.
//!
//! Names are looked up, compared and removed in the checked directory, even if its path changes.
//! `bind` and `connect` accept only paths. So after `bind` the file must exist in the checked
//! directory, where only this user and root can create files.
//!
//! A user with write access to a parent directory can rename the checked one. That can make the
//! start fail, leave a stale socket elsewhere, or lead clients to another socket. So the parents must
//! be as safe as the directory.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{fchmod, statat, unlinkat, AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::directory;

/// The listen backlog in connections, which the kernel can lower.
const BACKLOG: i32 = 1024;

/// A name in a private directory, with the socket created there.
#[derive(Debug)]
pub(super) struct SocketFile {
    directory: OwnedFd,
    name: OsString,
    /// The created file. While the socket is open, no other file gets its inode number.
    created: Option<Stat>,
}

impl SocketFile {
    /// Creates a socket at an absolute path, and listens.
    ///
    /// Removes a stale socket first.
    ///
    /// # Errors
    /// If the directory is not private, if another file or a live socket is at the path, or if the
    /// system refuses.
    ///
    /// # Cancel safety
    /// A dropped call has created no file.
    pub(super) async fn listen(path: &Path) -> io::Result<(Self, UnixListener)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut file = Self {
            directory: directory::open_private(parent)?,
            name: name.to_owned(),
            created: None,
        };
        directory::lock(&file.directory).await?;
        file.remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Linux creates the file with the mode of the socket, minus the umask. So it never has a
        // wider mode.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        socket.bind(&SockAddr::unix(path)?)?;
        file.record_created()?;
        // Before the lock is released: a socket that does not listen looks stale.
        socket.listen(BACKLOG)?;
        directory::unlock(&file.directory)?;
        Ok((file, socket.into()))
    }

    /// Removes a stale socket, if any.
    ///
    /// # Errors
    /// If the name belongs to another file, or to a socket that may be in use.
    fn remove_stale(&self, path: &Path) -> io::Result<()> {
        let Some(found) = self.stat()? else {
            return Ok(());
        };
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind != FileType::Socket {
            let what = match kind {
                FileType::RegularFile => "a file",
                FileType::Directory => "a directory",
                FileType::Symlink => "a symlink",
                _ => "something else",
            };
            let text = format!("there is {what}, not a socket: it is left alone");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        match probe(path) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => self.remove(&found),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => {
                let text = format!("cannot tell whether the socket there is in use: {e}");
                Err(io::Error::new(e.kind(), text))
            }
            // `WouldBlock` is a full backlog, so a process listens.
            Ok(()) | Err(_) => Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "address in use: another process listens there",
            )),
        }
    }

    /// Records the file that `bind` created, and checks its mode.
    fn record_created(&mut self) -> io::Result<()> {
        let Some(created) = self.stat()? else {
            let text = "the directory was moved while the socket was created";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        };
        self.created = Some(created);
        match created.st_mode & 0o7777 {
            0o600 => Ok(()),
            mode => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the socket got mode {mode:04o} instead of 0600: check the umask"),
            )),
        }
    }

    fn stat(&self) -> io::Result<Option<Stat>> {
        match statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes this file, unless another one has replaced it.
    fn remove(&self, file: &Stat) -> io::Result<()> {
        match self.stat()? {
            Some(found) if (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino) => {
                Ok(unlinkat(&self.directory, &self.name, AtFlags::empty())?)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(created) = &self.created {
            // If it fails, the next start removes the stale socket.
            let _ = self.remove(created);
        }
    }
}

/// Connects and closes at once, to find out whether a process listens.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A blocking connect would wait while the backlog is full.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}
