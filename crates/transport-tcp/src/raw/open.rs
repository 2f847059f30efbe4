//! Opens listening sockets.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, SockRef};
use transport_core::TransportError;

use super::{network, options, stream_socket};
use crate::TcpConfig;

/// A listening socket that no runtime knows yet.
#[derive(Debug)]
pub(super) struct OpenSocket {
    pub(super) inner: std::net::TcpListener,
    pub(super) local: SocketAddr,
    /// The options that accepted sockets inherit; `None` if they are unknown.
    pub(super) inherited: Option<TcpConfig>,
}

impl OpenSocket {
    /// Uses a listening socket of another process.
    pub(super) fn of_other(inner: std::net::TcpListener) -> io::Result<Self> {
        if !is_listening(&SockRef::from(&inner))? {
            let what = "the socket does not listen";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        inner.set_nonblocking(true)?;
        Ok(Self {
            local: inner.local_addr()?,
            inner,
            // Connections in its backlog have options that are unknown here.
            inherited: None,
        })
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            inner: self.inner.try_clone()?,
            local: self.local,
            inherited: self.inherited.clone(),
        })
    }
}

/// The parts of a bind that several sockets share.
#[derive(Debug, Clone, Copy)]
pub(super) struct BindPlan<'a> {
    pub(super) addr: SocketAddr,
    /// Whether a socket for IPv6 leaves IPv4 to another one (`IPV6_V6ONLY`).
    pub(super) only_v6: bool,
    pub(super) config: &'a TcpConfig,
}

impl BindPlan<'_> {
    /// Opens a socket for each accept loop, or one for all.
    ///
    /// Only on Linux can each have its own.
    pub(super) fn open(self, loops: usize) -> Result<Vec<OpenSocket>, TransportError> {
        self.open_each(loops)
            .map_err(|source| TransportError::Bind {
                addr: self.addr.to_string(),
                source,
            })
    }

    fn open_each(self, loops: usize) -> io::Result<Vec<OpenSocket>> {
        let wanted = self.config.reuse_port();
        if !cfg!(target_os = "linux") || loops <= 1 {
            return Ok(vec![self.socket(wanted)?]);
        }
        if !wanted && self.addr.port() != 0 {
            // Sockets with SO_REUSEPORT would join those of another process of this user.
            drop(self.socket(false)?);
        }
        let first = self.socket(true)?;
        let addr = first.local;
        let mut all = vec![first];
        while all.len() < loops {
            all.push(Self { addr, ..self }.socket(true)?);
        }
        Ok(all)
    }

    fn socket(self, reuse_port: bool) -> io::Result<OpenSocket> {
        let Self {
            addr,
            only_v6,
            config,
        } = self;
        let socket = stream_socket::open(Domain::for_address(addr), config)?;
        // A restart must not wait for old connections to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        if reuse_port {
            socket.set_reuse_port(true)?;
        }
        if only_v6 {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        options::apply(&SockRef::from(&socket), config)?;
        network::before_bind(&SockRef::from(&socket), addr, config)?;
        #[cfg(target_os = "linux")]
        if config.fast_open() != 0 {
            super::fast_open::allow(&socket, config.fast_open())?;
        }
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(config.backlog()).unwrap_or(i32::MAX))?;
        let inner = std::net::TcpListener::from(socket);
        Ok(OpenSocket {
            local: inner.local_addr()?,
            inner,
            inherited: options::ARE_INHERITED.then(|| config.clone()),
        })
    }
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
