//! Addresses of listeners, and sockets that another process has bound.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// The address of a listener. `Display` is for logs: it hides an onion name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddr {
    /// Address and port of an IP socket.
    Ip(SocketAddr),
    /// Path of a Unix socket.
    Unix(PathBuf),
    /// An onion service.
    Onion(OnionName),
    /// A custom raw listener, by its name.
    Custom(&'static str),
}

/// The `.onion` name of a service in this process.
///
/// `Display` and `Debug` hide it, since it must not appear in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct OnionName(String);

impl ListenAddr {
    /// Returns the address and port of an IP socket.
    #[must_use]
    pub const fn socket_addr(&self) -> Option<SocketAddr> {
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

    /// Returns the name, to pass on to clients.
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
            Self::Custom(name) => f.write_str(name),
        }
    }
}

/// A listening socket that another process has bound.
#[derive(Debug)]
#[non_exhaustive]
pub enum Inherited {
    /// An IP socket.
    Tcp(std::net::TcpListener),
    /// A Unix socket. The transport does not remove its file.
    Unix(UnixListener),
}
