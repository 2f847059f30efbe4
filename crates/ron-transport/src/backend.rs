//! The backends that are compiled in, behind one listener and one dialer. A backend that joins
//! adds a variant; nothing else of the facade names one.

use std::os::fd::RawFd;

use transport_core::{Backend, PeerAddr, Pending, TransportError};
use transport_limits::{Guard, Incoming, Limiter};
use transport_tcp::raw::{TcpDialer, TcpListener, TcpPending};
use transport_tcp::LiveTcpConfig;

#[cfg(feature = "uds")]
use transport_uds::{
    raw::{UdsDialer, UdsListener, UdsPending},
    LiveUdsConfig,
};

use crate::config::Config;
use crate::conn::Conn;
use crate::endpoint::{Endpoint, Scheme};
use crate::listen_addr::{Inherited, ListenAddr};

/// The settings of backends that a reload replaces for new connections.
#[derive(Debug)]
pub(crate) struct Live {
    tcp: LiveTcpConfig,
    #[cfg(feature = "uds")]
    uds: LiveUdsConfig,
}

impl Live {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            tcp: LiveTcpConfig::new(&config.tcp),
            #[cfg(feature = "uds")]
            uds: LiveUdsConfig::new(&config.uds),
        }
    }

    pub(crate) fn set(&self, config: &Config) {
        self.tcp.set(&config.tcp);
        #[cfg(feature = "uds")]
        self.uds.set(&config.uds);
    }
}

/// The guarded listener of the configured backend.
#[derive(Debug)]
pub(crate) enum AnyListener {
    Tcp(Guard<TcpListener>),
    #[cfg(feature = "uds")]
    Uds(Guard<UdsListener>),
}

impl AnyListener {
    pub(crate) async fn bind(
        config: &Config,
        live: &Live,
        fd_limit: Option<RawFd>,
        limiter: &Limiter,
    ) -> Result<Self, TransportError> {
        match config.general.backend() {
            Backend::Tcp => {
                let Some(addr) = config.general.bind_addr() else {
                    return Err(nothing_to_bind("bind_addr"));
                };
                let raw = TcpListener::bind(addr, &config.tcp).await?;
                Ok(Self::tcp(raw, live, fd_limit, limiter))
            }
            #[cfg(feature = "uds")]
            Backend::Uds if config.uds.path().is_none() => Err(nothing_to_bind("uds.path")),
            #[cfg(feature = "uds")]
            Backend::Uds => {
                let raw = UdsListener::bind(&config.uds).await?;
                Ok(Self::uds(raw, live, fd_limit, limiter))
            }
            other => Err(not_compiled_in(other.as_str(), other)),
        }
    }

    /// Takes over a socket that listens already.
    pub(crate) fn adopt(
        socket: Inherited,
        config: &Config,
        live: &Live,
        fd_limit: Option<RawFd>,
        limiter: &Limiter,
    ) -> Result<Self, TransportError> {
        match (config.general.backend(), socket) {
            (Backend::Tcp, Inherited::Tcp(socket)) => {
                let raw = TcpListener::from_std(socket, &config.tcp)?;
                Ok(Self::tcp(raw, live, fd_limit, limiter))
            }
            #[cfg(feature = "uds")]
            (Backend::Uds, Inherited::Unix(socket)) => {
                let raw = UdsListener::from_std(socket, &config.uds)?;
                Ok(Self::uds(raw, live, fd_limit, limiter))
            }
            (backend, socket) => Err(TransportError::Config {
                source: format!(
                    "the inherited socket is a {} socket: backend {backend} cannot listen on it",
                    socket.kind()
                )
                .into(),
            }),
        }
    }

    fn tcp(raw: TcpListener, live: &Live, fd_limit: Option<RawFd>, limiter: &Limiter) -> Self {
        let raw = raw.with_config(&live.tcp).with_fd_limit(fd_limit);
        Self::Tcp(Guard::new(raw, limiter))
    }

    #[cfg(feature = "uds")]
    fn uds(raw: UdsListener, live: &Live, fd_limit: Option<RawFd>, limiter: &Limiter) -> Self {
        let raw = raw.with_config(&live.uds).with_fd_limit(fd_limit);
        Self::Uds(Guard::new(raw, limiter))
    }

    pub(crate) fn local_addr(&self) -> Result<ListenAddr, TransportError> {
        match self {
            Self::Tcp(guard) => {
                let addr = guard.get_ref().local_addr().map_err(TransportError::Io)?;
                Ok(ListenAddr::Ip(addr))
            }
            #[cfg(feature = "uds")]
            Self::Uds(guard) => {
                let path = guard.get_ref().local_path();
                path.map(ListenAddr::Unix)
                    .ok_or_else(|| TransportError::Unsupported {
                        what: "a Unix socket without a path".to_owned(),
                    })
            }
        }
    }

    /// Cancel-safe, as [`Guard::accept`].
    pub(crate) async fn accept(&mut self) -> AnyIncoming {
        match self {
            Self::Tcp(guard) => AnyIncoming::Tcp(guard.accept().await),
            #[cfg(feature = "uds")]
            Self::Uds(guard) => AnyIncoming::Uds(guard.accept().await),
        }
    }
}

/// An admitted connection of any backend, before its handshake. Dropping it refuses the peer.
#[derive(Debug)]
pub(crate) enum AnyIncoming {
    Tcp(Incoming<TcpPending>),
    #[cfg(feature = "uds")]
    Uds(Incoming<UdsPending>),
}

impl AnyIncoming {
    pub(crate) const fn peer(&self) -> PeerAddr {
        match self {
            Self::Tcp(incoming) => incoming.peer(),
            #[cfg(feature = "uds")]
            Self::Uds(incoming) => incoming.peer(),
        }
    }

    pub(crate) const fn id(&self) -> u64 {
        match self {
            Self::Tcp(incoming) => incoming.id(),
            #[cfg(feature = "uds")]
            Self::Uds(incoming) => incoming.id(),
        }
    }

    /// Whether establishing it may have to wait for the peer.
    pub(crate) const fn has_handshake(&self) -> bool {
        match self {
            Self::Tcp(_) => TcpPending::HANDSHAKE,
            #[cfg(feature = "uds")]
            Self::Uds(_) => UdsPending::HANDSHAKE,
        }
    }

    pub(crate) async fn establish(self) -> Result<Conn, TransportError> {
        match self {
            Self::Tcp(incoming) => incoming.establish().await.map(Conn::new),
            #[cfg(feature = "uds")]
            Self::Uds(incoming) => incoming.establish().await.map(Conn::new),
        }
    }
}

/// The guarded dialers.
#[derive(Debug)]
pub(crate) struct Dialers {
    tcp: Guard<TcpDialer>,
    #[cfg(feature = "uds")]
    uds: Guard<UdsDialer>,
}

impl Dialers {
    pub(crate) fn new(live: &Live, fd_limit: Option<RawFd>, limiter: &Limiter) -> Self {
        let tcp = TcpDialer::default()
            .with_config(&live.tcp)
            .with_fd_limit(fd_limit);
        Self {
            tcp: Guard::new(tcp, limiter),
            #[cfg(feature = "uds")]
            uds: Guard::new(UdsDialer::new().with_fd_limit(fd_limit), limiter),
        }
    }

    pub(crate) async fn dial(&self, to: &Endpoint) -> Result<Conn, TransportError> {
        match to.scheme {
            Scheme::Tcp => self.tcp.dial(&to.target).await.map(Conn::new),
            #[cfg(feature = "uds")]
            Scheme::Unix => self.uds.dial(&to.target).await.map(Conn::new),
            scheme => {
                let missing = scheme.missing_backend().unwrap_or(scheme.backends()[0]);
                Err(not_compiled_in(scheme.as_str(), missing))
            }
        }
    }
}

fn nothing_to_bind(key: &str) -> TransportError {
    let source = format!("{key} is not set: there is nothing to listen on").into();
    TransportError::Config { source }
}

fn not_compiled_in(what: &str, backend: Backend) -> TransportError {
    let what = format!("{what} is not compiled in; it needs the feature `{backend}`");
    TransportError::Unsupported { what }
}
