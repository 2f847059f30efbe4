//! Listening and accepting.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

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

/// A listening Unix socket. Dropping it removes the file that [`bind`](Self::bind) made, unless
/// another one is in its place.
#[derive(Debug)]
pub struct UdsListener {
    /// Before the socket, so that it is dropped first: as long as the file is there somebody
    /// listens, and a start at the same moment does not take it for one of the dead.
    _file: Option<SocketFile>,
    inner: tokio::net::UnixListener,
    config: Reloadable<UdsConfig>,
    max_fd: Option<RawFd>,
}

impl UdsListener {
    /// Makes the socket at `uds.path` and listens. The file has mode 0600 from its first moment,
    /// in a directory that must be 0700 and belong to the effective user. The socket of a dead
    /// process is removed first; to see whether it is dead, it is connected to once.
    ///
    /// # Errors
    /// [`TransportError::Config`] without a path or without a uid that may connect, else
    /// [`TransportError::Bind`] with the path: the directory is not private, something else is at
    /// the path, or a live process listens there (`AddrInUse`).
    ///
    /// # Cancel safety
    /// A dropped call has made nothing.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn bind(config: &UdsConfig) -> Result<Self, TransportError> {
        let path = config.needs_path().map_err(wrong)?;
        config.needs_uids().map_err(wrong)?;
        let bind = |source| TransportError::Bind {
            addr: path.display().to_string(),
            source,
        };
        let (file, socket) = SocketFile::listen(path).await.map_err(bind)?;
        let inner = registered(socket).map_err(bind)?;
        Ok(Self::new(Some(file), inner, config))
    }

    /// Listens on a socket that somebody else made and owns, such as systemd: its file, its mode
    /// and its directory are theirs, and the file is left alone at the end.
    ///
    /// # Errors
    /// [`TransportError::Config`] without a uid that may connect, [`TransportError::Bind`] when it
    /// is no listening Unix socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_std(socket: UnixListener, config: &UdsConfig) -> Result<Self, TransportError> {
        config.needs_uids().map_err(wrong)?;
        let inner = handed_over(socket).map_err(|source| TransportError::Bind {
            addr: "the socket that was handed over".to_owned(),
            source,
        })?;
        Ok(Self::new(None, inner, config))
    }

    fn new(file: Option<SocketFile>, inner: tokio::net::UnixListener, config: &UdsConfig) -> Self {
        Self {
            _file: file,
            inner,
            config: Reloadable::new(config.clone()),
            max_fd: None,
        }
    }

    /// Refuses connections whose descriptor is this number or higher as `conn_limit`: the kernel
    /// hands out the lowest free number, so those above stay free for
    /// whatever else the process must be able to open.
    #[must_use]
    pub const fn with_max_fd(mut self, limit: Option<RawFd>) -> Self {
        self.max_fd = limit;
        self
    }

    /// Takes the uids that may connect from here, as they are at each accept.
    #[must_use]
    pub fn with_config(mut self, config: &Reloadable<UdsConfig>) -> Self {
        self.config = config.clone();
        self
    }

    /// The path it listens at; `None` for a socket that was handed over without one.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        let addr = self.inner.local_addr().ok()?;
        addr.as_pathname().map(PathBuf::from)
    }
}

fn wrong((key, why): (&'static str, ValueError)) -> TransportError {
    TransportError::Config {
        source: format!("{key}: {why}").into(),
    }
}

fn registered(socket: UnixListener) -> io::Result<tokio::net::UnixListener> {
    socket.set_nonblocking(true)?;
    tokio::net::UnixListener::from_std(socket)
}

fn handed_over(socket: UnixListener) -> io::Result<tokio::net::UnixListener> {
    // Fails for a descriptor of another family.
    socket.local_addr()?;
    if !is_listening(&SockRef::from(&socket))? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it does not listen",
        ));
    }
    registered(socket)
}

/// Returns whether a socket listens; true where the system does not report it.
///
/// There the first accept fails.
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

    async fn accept(&mut self) -> Result<UdsPending, TransportError> {
        let (stream, _) = self.inner.accept().await.map_err(TransportError::Io)?;
        // Who is not known is not allowed: refused and counted as any other, and no reason for
        // the accept loop to pause.
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
}

/// An accepted connection of a Unix socket, whose uid was looked up and judged.
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

    /// The uid that the connecting process had (`SO_PEERCRED`); 4294967295 where the kernel does
    /// not tell.
    fn peer(&self) -> PeerAddr {
        PeerAddr::Uid(self.uid)
    }

    fn refused(&self) -> Option<Reason> {
        self.refused
    }

    /// Sets the send buffer; there is nothing to shake hands about.
    ///
    /// # Errors
    /// [`TransportError::Refused`] for a peer that [`refused`](Self::refused) turns away,
    /// [`TransportError::Io`] when the send buffer cannot be set.
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
