//! Where a transport listens, and sockets it takes over instead of binding its own.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Where a transport listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddr {
    /// Address and port of an IP socket.
    Ip(SocketAddr),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddr {
    /// The address of an IP socket.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(*addr),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A socket that listens already, bound by whoever started the process.
#[derive(Debug)]
#[non_exhaustive]
pub enum Inherited {
    /// An IP socket.
    Tcp(std::net::TcpListener),
    /// A Unix socket; its file belongs to who bound it and is left alone.
    Unix(UnixListener),
}

impl Inherited {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP",
            Self::Unix(_) => "Unix",
        }
    }
}
