//! Dialing: resolve, race, set options.

use std::os::fd::{AsRawFd, RawFd};

use socket2::SockRef;
use tokio::time::Instant;
use transport_core::{Backend, ConnInfo, Connection, Dialer, PeerAddr, Target, TransportError};

use super::resolve::Resolver;
use super::{connect, options, TcpIo};
use crate::{LiveTcpConfig, TcpConfig};

/// Dials TCP targets.
#[derive(Debug, Clone)]
pub struct TcpDialer {
    config: LiveTcpConfig,
    fd_limit: Option<RawFd>,
    resolver: Resolver,
}

impl Default for TcpDialer {
    fn default() -> Self {
        Self::new(&TcpConfig::default())
    }
}

impl TcpDialer {
    /// A dialer whose connections get these options.
    #[must_use]
    pub fn new(config: &TcpConfig) -> Self {
        Self {
            config: LiveTcpConfig::new(config),
            fd_limit: None,
            resolver: Resolver::new(),
        }
    }

    /// Takes the options of dialed connections from here, as they are at each dial.
    #[must_use]
    pub fn with_config(mut self, config: &LiveTcpConfig) -> Self {
        self.config = config.clone();
        self
    }

    /// As [`TcpListener::with_fd_limit`](super::TcpListener::with_fd_limit).
    #[must_use]
    pub const fn with_fd_limit(mut self, limit: Option<RawFd>) -> Self {
        self.fd_limit = limit;
        self
    }
}

impl Dialer for TcpDialer {
    type Io = TcpIo;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn dial(&self, to: &Target) -> Result<Connection<TcpIo>, TransportError> {
        let Target::Host { host, port } = to else {
            return Err(TransportError::Unsupported {
                what: format!("dialing {to} over tcp"),
            });
        };
        if to.is_onion() {
            // The resolver, and whoever sees its questions, is not told the name.
            return Err(TransportError::Unsupported {
                what: "dialing an .onion name over tcp: it is reached through Tor alone".to_owned(),
            });
        }
        let resolve = |source| TransportError::Resolve {
            host: host.clone(),
            source,
        };
        let started = Instant::now();
        let addrs = self.resolver.resolve(host, *port).await.map_err(resolve)?;
        let resolved = Instant::now();
        let connect = |source| TransportError::Connect {
            target: to.to_string(),
            source,
        };
        let stream = connect::race(&addrs).await.map_err(connect)?;
        let connected = Instant::now();
        if self
            .fd_limit
            .is_some_and(|limit| stream.as_raw_fd() >= limit)
        {
            return Err(connect(out_of_descriptors()));
        }
        options::apply(&SockRef::from(&stream), &self.config.get()).map_err(TransportError::Io)?;
        let peer = stream.peer_addr().ok().map(PeerAddr::Ip);
        let mut info = ConnInfo::new(Backend::Tcp, peer);
        info.local = stream.local_addr().ok();
        info.steps.resolve = Some(resolved - started);
        info.steps.connect = Some(connected - resolved);
        Ok(Connection::new(TcpIo::new(stream), info))
    }
}

/// `EMFILE`, as where the system refuses the descriptor.
fn out_of_descriptors() -> std::io::Error {
    std::io::Error::from_raw_os_error(24)
}
