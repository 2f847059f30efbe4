//! The Unix-socket listener.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::UnixStream;
use transport_core::schema::ValueError;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, PeerAddr, PeerIdentity, Pending, Reason, Reloadable,
    TransportError,
};

use super::socket_file::SocketFile;
use super::{send_buffer, UdsIo};
use crate::config::UNKNOWN_UID;
use crate::UdsConfig;

/// A raw listener on a Unix socket.
///
/// Dropping it removes the file that [`bind`](Self::bind) created, unless another file has replaced
/// it.
///
/// # Example
///
/// ```no_run
/// use transport_core::{Listener, Pending};
/// use transport_uds::raw::UdsListener;
/// use transport_uds::UdsConfig;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = UdsConfig::default();
/// // The directory must have mode 0700 and belong to this user.
/// config.set_path("/run/ron/gateway.sock")?;
/// config.set_allow_uids([1000])?;
/// let mut listener = UdsListener::bind(&config).await?;
/// let connection = listener.accept().await?.establish().await?;
/// println!("{:?}", connection.info.identity);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdsListener {
    /// Declared before the socket, so that it is dropped first.
    ///
    /// While the file exists the socket listens, so a concurrent start does not remove it as stale.
    ///
    /// Shared with the listeners on the same socket.
    file: Option<Arc<SocketFile>>,
    inner: tokio::net::UnixListener,
    config: Reloadable<UdsConfig>,
    max_fd: Option<RawFd>,
}

impl UdsListener {
    /// Creates the socket at `uds.path` and listens.
    ///
    /// The file is created with mode 0600, in a directory that must have mode 0700 and belong to the
    /// effective user. A stale socket is removed first. A socket is stale if a connection attempt to
    /// it is refused.
    ///
    /// # Errors
    /// [`TransportError::Config`] without a path or without an allowed uid, otherwise
    /// [`TransportError::Bind`] with the path: the directory is not private, another file is at the
    /// path, or another process listens there (`AddrInUse`).
    ///
    /// # Cancel safety
    /// A dropped call has created no file.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn bind(config: &UdsConfig) -> Result<Self, TransportError> {
        let path = config.needs_path().map_err(config_error)?;
        config.needs_uids().map_err(config_error)?;
        let bind = |source| TransportError::Bind {
            addr: path.display().to_string(),
            source,
        };
        let (file, socket) = SocketFile::listen(path).await.map_err(bind)?;
        let inner = registered(socket).map_err(bind)?;
        Ok(Self::new(Some(file), inner, config))
    }

    /// Uses a listening socket that another program created, such as systemd.
    ///
    /// File, mode and directory are not checked, and the file is not removed.
    ///
    /// # Errors
    /// [`TransportError::Config`] without an allowed uid, [`TransportError::Bind`] if it is not a
    /// listening Unix socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_std(socket: UnixListener, config: &UdsConfig) -> Result<Self, TransportError> {
        config.needs_uids().map_err(config_error)?;
        let inner = from_passed(socket).map_err(|source| TransportError::Bind {
            addr: "the passed socket".to_owned(),
            source,
        })?;
        Ok(Self::new(None, inner, config))
    }

    fn new(file: Option<SocketFile>, inner: tokio::net::UnixListener, config: &UdsConfig) -> Self {
        Self {
            file: file.map(Arc::new),
            inner,
            config: Reloadable::new(config.clone()),
            max_fd: None,
        }
    }

    /// Refuses connections with a descriptor of `limit` or higher, as `conn_limit`.
    ///
    /// The kernel assigns the lowest free descriptor. So those above stay free for other files that
    /// the process must be able to open.
    #[must_use]
    pub const fn with_max_fd(mut self, limit: Option<RawFd>) -> Self {
        self.max_fd = limit;
        self
    }

    /// Reads settings from `config` at each accept.
    ///
    /// They are the allowed uids and the send buffer.
    #[must_use]
    pub fn with_config(mut self, config: &Reloadable<UdsConfig>) -> Self {
        self.config = config.clone();
        self
    }

    /// Returns the path; `None` for a passed socket without one.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        let addr = self.inner.local_addr().ok()?;
        addr.as_pathname().map(PathBuf::from)
    }
}

fn config_error((key, why): (&'static str, ValueError)) -> TransportError {
    TransportError::Config {
        source: format!("{key}: {why}").into(),
    }
}

fn registered(socket: UnixListener) -> io::Result<tokio::net::UnixListener> {
    socket.set_nonblocking(true)?;
    tokio::net::UnixListener::from_std(socket)
}

fn from_passed(socket: UnixListener) -> io::Result<tokio::net::UnixListener> {
    // Fails for a socket of another family.
    socket.local_addr()?;
    if !is_listening(&SockRef::from(&socket))? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket does not listen",
        ));
    }
    registered(socket)
}

/// Returns whether a socket listens.
///
/// True where the system does not report it. There the first accept fails.
fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    return socket.is_listener();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Ok(true)
    }
}

impl Listener for UdsListener {
    type Pending = UdsPending;

    fn backend(&self) -> Backend {
        Backend::Uds
    }

    /// Accepts a connection and checks its uid.
    ///
    /// # Errors
    /// [`TransportError::Io`]; the listener stays usable.
    ///
    /// # Cancel safety
    /// A dropped call loses no connection.
    async fn accept(&mut self) -> Result<UdsPending, TransportError> {
        let (stream, _) = self.inner.accept().await.map_err(TransportError::Io)?;
        // An unknown uid is refused and counted as denied. It is not an error, which would pause
        // the accept loop.
        let uid = stream.peer_cred().map_or(UNKNOWN_UID, |peer| peer.uid());
        let over_max_fd = self.max_fd.is_some_and(|limit| stream.as_raw_fd() >= limit);
        let config = self.config.get();
        let refused = if !config.allows(uid) {
            Some(Reason::UidDenied)
        } else if over_max_fd {
            Some(Reason::ConnLimit)
        } else {
            None
        };
        Ok(UdsPending {
            stream,
            uid,
            refused,
            chunk_bytes: config.chunk_bytes(),
        })
    }

    fn share(&self) -> Result<Option<Self>, TransportError> {
        let socket = self.inner.as_fd().try_clone_to_owned()?;
        Ok(Some(Self {
            file: self.file.clone(),
            inner: tokio::net::UnixListener::from_std(socket.into())?,
            config: self.config.clone(),
            max_fd: self.max_fd,
        }))
    }
}

/// An accepted connection, with its uid already checked.
#[derive(Debug)]
pub struct UdsPending {
    stream: UnixStream,
    uid: u32,
    refused: Option<Reason>,
    chunk_bytes: usize,
}

impl Pending for UdsPending {
    type Io = UdsIo;

    const HANDSHAKE: bool = false;

    /// Returns the uid of the client (`SO_PEERCRED`).
    ///
    /// It is 4294967295 if the kernel does not know it.
    fn peer(&self) -> PeerAddr {
        PeerAddr::Uid(self.uid)
    }

    fn refused(&self) -> Option<Reason> {
        self.refused
    }

    /// Sets the send buffer; never waits for the peer.
    ///
    /// # Errors
    /// [`TransportError::Refused`] for a [`refused`](Self::refused) peer, [`TransportError::Io`] if
    /// the send buffer cannot be set.
    async fn establish(self) -> Result<Connection<UdsIo>, TransportError> {
        if let Some(reason) = self.refused {
            return Err(TransportError::Refused { reason });
        }
        send_buffer::apply(&self.stream, self.chunk_bytes).map_err(TransportError::Io)?;
        let mut info = ConnInfo::new(Backend::Uds, Some(self.peer()));
        info.identity = PeerIdentity::Uid(self.uid);
        Ok(Connection::new(UdsIo::new(self.stream), info))
    }
}
