//! The guarded listener of the configured backend, and its connections.

use std::os::fd::RawFd;

#[cfg(feature = "arti")]
use transport_arti::raw::{ArtiListener, ArtiPending};
use transport_core::{Backend, Listener, PeerAddr, TransportError};
use transport_limits::{Admitted, Guard, Limiter};
use transport_proxy::raw::{ProxyListener, ProxyPending};
use transport_tcp::raw::{ListenSet, TcpListener, TcpPending};
#[cfg(feature = "tls")]
use transport_tls::raw::{TlsListener, TlsPending};
#[cfg(feature = "uds")]
use transport_uds::raw::{UdsListener, UdsPending};

use super::custom::{CustomAdmitted, CustomGuard, CustomListener};
use super::{unsupported, BackendState};
use crate::bound_addrs::BoundAddrs;
use crate::config::Config;
use crate::conn::Conn;
#[cfg(feature = "arti")]
use crate::listen_addr::OnionName;
use crate::listen_addr::{Inherited, ListenAddr};

/// The parts that make a listener.
pub(crate) struct ListenerParts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) backends: &'a BackendState,
    pub(crate) custom: Option<&'a CustomListener>,
    pub(crate) max_fd: Option<RawFd>,
    pub(crate) limiter: &'a Limiter,
}

/// The guarded listener of the configured backend.
#[derive(Debug)]
pub(crate) enum AnyListener {
    Tcp(Guard<ProxyListener<TcpListener>>),
    #[cfg(feature = "tls")]
    Tls(Guard<TlsListener<ProxyListener<TcpListener>>>),
    #[cfg(feature = "uds")]
    Uds(Guard<ProxyListener<UdsListener>>),
    #[cfg(feature = "arti")]
    Arti(Guard<ArtiListener>, OnionName),
    Custom(CustomGuard, &'static str),
}

impl AnyListener {
    /// Binds the configured address of another backend than TCP and TLS.
    pub(super) async fn bind(parts: &ListenerParts<'_>) -> Result<Self, TransportError> {
        let config = parts.config;
        if let Some(custom) = parts.custom {
            let guard = custom.guard(config, parts.backends, parts.limiter);
            return Ok(Self::Custom(guard.await?, custom.name()));
        }
        match config.general.backend() {
            #[cfg(feature = "uds")]
            Backend::Uds => parts.uds(UdsListener::bind(&config.uds).await?),
            #[cfg(feature = "arti")]
            Backend::Arti => {
                let net = parts.backends.tor.net().await?;
                let raw = net.listener()?;
                let name = OnionName::new(net.onion_address().unwrap_or_default());
                Ok(Self::Arti(Guard::new(raw, parts.limiter), name))
            }
            backend => Err(unsupported::backend(backend)),
        }
    }

    /// Takes over listening sockets: several for TCP and TLS, otherwise one.
    pub(crate) async fn from_inherited(
        sockets: Vec<Inherited>,
        parts: &ListenerParts<'_>,
    ) -> Result<Self, TransportError> {
        let config = parts.config;
        if let Some(custom) = parts.custom {
            let name = custom.name();
            return Err(TransportError::Config {
                source: format!(
                    "the transport has the raw listener {name:?} and cannot listen on an \
                     inherited socket: call listen()"
                )
                .into(),
            });
        }
        let (mut tcp, mut unix) = (Vec::new(), Vec::new());
        for socket in sockets {
            match socket {
                Inherited::Tcp(socket) => tcp.push(socket),
                Inherited::Unix(socket) => unix.push(socket),
            }
        }
        match (config.general.backend(), tcp.len(), unix.len()) {
            (backend @ (Backend::Tcp | Backend::Tls), 1.., 0) => {
                parts.prepare(backend).await?;
                let (_, raw) = ListenSet::from_std(tcp, &parts.backends.tcp.get())?;
                parts.over_tcp(backend, raw).await
            }
            #[cfg(feature = "uds")]
            (Backend::Uds, 0, 1) => {
                let socket = unix.remove(0);
                parts.uds(UdsListener::from_std(socket, &config.uds)?)
            }
            (backend, tcp, unix) => Err(unusable(backend, tcp, unix)),
        }
    }

    /// Returns the addresses, before the first accept.
    pub(crate) fn bound_addrs(&self, is_inherited: bool) -> Result<BoundAddrs, TransportError> {
        let tcp = |raw: &TcpListener| match is_inherited {
            true => BoundAddrs::Inherited(raw.set().clone()),
            false => BoundAddrs::Ip(raw.set().clone()),
        };
        let other = match self {
            Self::Tcp(guard) => return Ok(tcp(guard.get_ref().get_ref())),
            #[cfg(feature = "tls")]
            Self::Tls(guard) => return Ok(tcp(guard.get_ref().get_ref().get_ref())),
            #[cfg(feature = "uds")]
            Self::Uds(guard) => {
                let path = guard.get_ref().get_ref().local_path();
                path.map(ListenAddr::Unix)
                    .ok_or_else(|| TransportError::Unsupported {
                        what: "a Unix socket without a path".to_owned(),
                    })
            }
            #[cfg(feature = "arti")]
            Self::Arti(_, name) => Ok(ListenAddr::Onion(name.clone())),
            Self::Custom(_, name) => Ok(ListenAddr::Custom(name)),
        };
        other.map(BoundAddrs::Other)
    }

    /// Returns another listener on the same socket, for the current runtime.
    pub(crate) fn share(&self) -> Result<Option<Self>, TransportError> {
        Ok(match self {
            Self::Tcp(guard) => guard.share()?.map(Self::Tcp),
            #[cfg(feature = "tls")]
            Self::Tls(guard) => guard.share()?.map(Self::Tls),
            #[cfg(feature = "uds")]
            Self::Uds(guard) => guard.share()?.map(Self::Uds),
            #[cfg(feature = "arti")]
            Self::Arti(..) => None,
            Self::Custom(guard, name) => guard.share()?.map(|guard| Self::Custom(guard, name)),
        })
    }

    /// Accepts the next admitted connection. Cancel-safe.
    pub(crate) async fn accept(&mut self) -> AnyAdmitted {
        match self {
            Self::Tcp(guard) => AnyAdmitted::Tcp(guard.accept().await),
            #[cfg(feature = "tls")]
            Self::Tls(guard) => AnyAdmitted::Tls(Box::new(guard.accept().await)),
            #[cfg(feature = "uds")]
            Self::Uds(guard) => AnyAdmitted::Uds(guard.accept().await),
            #[cfg(feature = "arti")]
            Self::Arti(guard, _) => AnyAdmitted::Arti(Box::new(guard.accept().await)),
            Self::Custom(guard, _) => AnyAdmitted::Custom(guard.accept().await),
        }
    }
}

/// Returns the error of inherited sockets that the backend cannot use.
fn unusable(backend: Backend, tcp: usize, unix: usize) -> TransportError {
    let is_ip = matches!(backend, Backend::Tcp | Backend::Tls);
    let what = if tcp + unix == 0 {
        "no socket is inherited".to_owned()
    } else if backend == Backend::Uds && tcp == 0 {
        format!("{unix} Unix sockets are inherited: backend {backend} listens on one")
    } else {
        let kind = if is_ip || tcp == 0 { "Unix" } else { "TCP" };
        format!("the inherited socket is a {kind} socket: backend {backend} cannot listen on it")
    };
    TransportError::Config {
        source: what.into(),
    }
}

impl ListenerParts<'_> {
    /// Reads the PROXY header of trusted hops, below TLS.
    fn behind_hops<L: Listener>(&self, raw: L) -> ProxyListener<L> {
        let observer = self.limiter.shared_observer();
        ProxyListener::over(raw, &self.backends.proxy, observer)
    }

    #[allow(clippy::unused_async)]
    pub(super) async fn prepare(&self, backend: Backend) -> Result<(), TransportError> {
        match backend {
            Backend::Tcp => Ok(()),
            #[cfg(feature = "tls")]
            Backend::Tls => self.backends.tls.server(self.config).await.map(drop),
            other => Err(unsupported::backend(other)),
        }
    }

    #[allow(clippy::unused_async)]
    pub(super) async fn over_tcp(
        &self,
        backend: Backend,
        raw: TcpListener,
    ) -> Result<AnyListener, TransportError> {
        let raw = raw.with_config(&self.backends.tcp).with_max_fd(self.max_fd);
        let raw = self.behind_hops(raw);
        match backend {
            #[cfg(feature = "tls")]
            Backend::Tls => {
                let live = self.backends.tls.server(self.config).await?;
                let raw = TlsListener::over(raw, &live, self.limiter.shared_observer());
                Ok(AnyListener::Tls(Guard::new(raw, self.limiter)))
            }
            _ => Ok(AnyListener::Tcp(Guard::new(raw, self.limiter))),
        }
    }

    #[cfg(feature = "uds")]
    fn uds(&self, raw: UdsListener) -> Result<AnyListener, TransportError> {
        let raw = raw.with_config(&self.backends.uds).with_max_fd(self.max_fd);
        let raw = self.behind_hops(raw);
        Ok(AnyListener::Uds(Guard::new(raw, self.limiter)))
    }
}

/// An admitted connection of any backend, before its handshake. Dropping it refuses the peer.
// A box would cost TCP an allocation for each connection.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub(crate) enum AnyAdmitted {
    Tcp(Admitted<ProxyPending<TcpPending>>),
    #[cfg(feature = "tls")]
    Tls(Box<Admitted<TlsPending<ProxyPending<TcpPending>>>>),
    #[cfg(feature = "uds")]
    Uds(Admitted<ProxyPending<UdsPending>>),
    #[cfg(feature = "arti")]
    Arti(Box<Admitted<ArtiPending>>),
    Custom(Box<dyn CustomAdmitted>),
}

impl AnyAdmitted {
    pub(crate) fn peer(&self) -> PeerAddr {
        match self {
            Self::Tcp(admitted) => admitted.peer(),
            #[cfg(feature = "tls")]
            Self::Tls(admitted) => admitted.peer(),
            #[cfg(feature = "uds")]
            Self::Uds(admitted) => admitted.peer(),
            #[cfg(feature = "arti")]
            Self::Arti(admitted) => admitted.peer(),
            Self::Custom(admitted) => admitted.peer(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Tcp(admitted) => admitted.id(),
            #[cfg(feature = "tls")]
            Self::Tls(admitted) => admitted.id(),
            #[cfg(feature = "uds")]
            Self::Uds(admitted) => admitted.id(),
            #[cfg(feature = "arti")]
            Self::Arti(admitted) => admitted.id(),
            Self::Custom(admitted) => admitted.id(),
        }
    }

    pub(crate) async fn establish(self) -> Result<Conn, TransportError> {
        match self {
            Self::Tcp(admitted) => admitted.establish().await.map(Conn::new),
            #[cfg(feature = "tls")]
            Self::Tls(admitted) => Box::pin(admitted.establish()).await.map(Conn::new),
            #[cfg(feature = "uds")]
            Self::Uds(admitted) => admitted.establish().await.map(Conn::new),
            #[cfg(feature = "arti")]
            Self::Arti(admitted) => Box::pin(admitted.establish()).await.map(Conn::new),
            Self::Custom(admitted) => admitted.establish_boxed().await,
        }
    }
}
