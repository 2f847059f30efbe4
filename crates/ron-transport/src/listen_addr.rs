//! Where a transport listens, and sockets it takes over instead of binding its own.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Where a transport listens. `Display` is for logs: it does not name an onion service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddr {
    /// Address and port of an IP socket.
    Ip(SocketAddr),
    /// Path of a Unix socket.
    Unix(PathBuf),
    /// An onion service.
    Onion(OnionName),
}

/// The `.onion` name of a service of ours. Neither `Display` nor `Debug` shows it: it belongs into
/// no log.
#[derive(Clone, PartialEq, Eq)]
pub struct OnionName(String);

impl ListenAddr {
    /// The address of an IP socket.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(*addr),
            _ => None,
        }
    }
}

impl OnionName {
    #[cfg(feature = "arti")]
    pub(crate) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name, to be given to whom it is meant for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OnionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("onion service")
    }
}

impl fmt::Debug for OnionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnionName")
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Onion(name) => write!(f, "{name}"),
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
