//! The file of a listening socket: made with mode 0600, and removed at the end.
//!
//! What is guaranteed: names are looked up, compared and removed in the directory that was
//! checked, whatever has become of its path. `bind` and `connect` know paths alone, so after the
//! bind the file must be there in the checked directory, where nobody but this user (and root)
//! can have made it. Who may rename that directory (its parents must be as safe
//! as it is) can make the start fail, leave a socket nobody listens on elsewhere, or lead clients
//! to another one.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{fchmod, statat, unlinkat, AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::directory;

/// Connections the kernel holds until they are accepted; it may lower this itself.
const BACKLOG: i32 = 1024;

/// A name in a private directory, and the socket that was made there.
#[derive(Debug)]
pub(super) struct SocketFile {
    directory: OwnedFd,
    name: OsString,
    /// The file as it was made. While the socket is open, the kernel keeps its inode and gives
    /// the number to no other file.
    made: Option<Stat>,
}

impl SocketFile {
    /// Makes a socket at an absolute path and listens. What a dead process left there is removed.
    ///
    /// # Errors
    /// When the directory is not private, when something else or a live socket is at the path,
    /// and when the system refuses.
    ///
    /// # Cancel safety
    /// A dropped call has made nothing.
    pub(super) async fn listen(path: &Path) -> io::Result<(Self, UnixListener)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut file = Self {
            directory: directory::open_private(parent)?,
            name: name.to_owned(),
            made: None,
        };
        directory::lock(&file.directory).await?;
        file.clear(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Linux makes the file with the mode of the socket, less the umask: at no moment is it
        // wider than this.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        socket.bind(&SockAddr::unix(path)?)?;
        file.made()?;
        // Before the lock is given back: a socket that does not listen looks like one of the dead.
        socket.listen(BACKLOG)?;
        directory::unlock(&file.directory)?;
        Ok((file, socket.into()))
    }

    /// Makes the name free, or says why that may not be.
    fn clear(&self, path: &Path) -> io::Result<()> {
        let Some(found) = self.look()? else {
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
            // A full backlog is that of a listener that lives.
            Ok(()) | Err(_) => Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "address in use: another process listens there",
            )),
        }
    }

    /// Finds what `bind` made.
    fn made(&mut self) -> io::Result<()> {
        let Some(made) = self.look()? else {
            let text = "the directory was moved while the socket was made";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        };
        self.made = Some(made);
        match made.st_mode & 0o7777 {
            0o600 => Ok(()),
            mode => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the socket got mode {mode:04o} instead of 0600: look at the umask"),
            )),
        }
    }

    fn look(&self) -> io::Result<Option<Stat>> {
        match statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes this very file, if it is still there.
    fn remove(&self, file: &Stat) -> io::Result<()> {
        match self.look()? {
            Some(found) if (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino) => {
                Ok(unlinkat(&self.directory, &self.name, AtFlags::empty())?)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            // A file that cannot be removed is one that the next start finds dead.
            let _ = self.remove(made);
        }
    }
}

/// Connects and hangs up at once, to see whether anybody listens.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Or a full backlog would be waited for.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}
