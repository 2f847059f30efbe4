//! A raw listener whose type is erased.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use transport_core::{
    Backend, ConnInfo, Connection, Io, Listener, PeerAddr, Pending, Reason, TransportError,
};

pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type BoxIo = Box<dyn Io>;

/// A custom raw listener. Its name replaces the backend that the listener reports.
///
/// `HANDSHAKE` is [`Pending::HANDSHAKE`] of its connections.
pub(crate) struct ErasedListener<const HANDSHAKE: bool> {
    name: &'static str,
    inner: Box<dyn AcceptErased>,
}

impl<const HANDSHAKE: bool> ErasedListener<HANDSHAKE> {
    pub(super) fn new(name: &'static str, inner: Box<dyn AcceptErased>) -> Self {
        Self { name, inner }
    }
}

impl<const HANDSHAKE: bool> fmt::Debug for ErasedListener<HANDSHAKE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErasedListener").field(&self.name).finish()
    }
}

impl<const HANDSHAKE: bool> Listener for ErasedListener<HANDSHAKE> {
    type Pending = ErasedPending<HANDSHAKE>;

    fn backend(&self) -> Backend {
        Backend::Custom(self.name)
    }

    async fn accept(&mut self) -> Result<ErasedPending<HANDSHAKE>, TransportError> {
        let inner = self.inner.accept_erased().await?;
        let name = self.name;
        Ok(ErasedPending { name, inner })
    }

    fn share(&self) -> Result<Option<Self>, TransportError> {
        let inner = self.inner.share_erased()?;
        Ok(inner.map(|inner| Self::new(self.name, inner)))
    }
}

/// An accepted connection of a custom listener.
pub(crate) struct ErasedPending<const HANDSHAKE: bool> {
    name: &'static str,
    inner: Box<dyn EstablishErased>,
}

impl<const HANDSHAKE: bool> fmt::Debug for ErasedPending<HANDSHAKE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErasedPending").field(&self.name).finish()
    }
}

impl<const HANDSHAKE: bool> Pending for ErasedPending<HANDSHAKE> {
    type Io = BoxIo;

    const HANDSHAKE: bool = HANDSHAKE;

    fn peer(&self) -> PeerAddr {
        self.inner.peer_erased()
    }

    fn refused(&self) -> Option<Reason> {
        self.inner.refused_erased()
    }

    fn hop_timeout(&self) -> Option<Duration> {
        self.inner.hop_timeout_erased()
    }

    async fn identify(&mut self) -> Result<(), TransportError> {
        self.inner.identify_erased().await
    }

    async fn establish(self) -> Result<Connection<BoxIo>, TransportError> {
        let (io, info) = self.inner.establish_erased().await?.into_parts();
        Ok(Connection::new(io, named(info, self.name)))
    }
}

/// Sets the backend of a description.
pub(super) fn named(mut info: Arc<ConnInfo>, name: &'static str) -> Arc<ConnInfo> {
    Arc::make_mut(&mut info).backend = Backend::Custom(name);
    info
}

/// [`Listener`] without its type.
pub(super) trait AcceptErased: Send {
    fn accept_erased(&mut self) -> BoxFuture<'_, Result<Box<dyn EstablishErased>, TransportError>>;
    fn share_erased(&self) -> Result<Option<Box<dyn AcceptErased>>, TransportError>;
}

impl<L: Listener> AcceptErased for L {
    fn accept_erased(&mut self) -> BoxFuture<'_, Result<Box<dyn EstablishErased>, TransportError>> {
        Box::pin(async {
            let pending = self.accept().await?;
            Ok(Box::new(pending) as Box<dyn EstablishErased>)
        })
    }

    fn share_erased(&self) -> Result<Option<Box<dyn AcceptErased>>, TransportError> {
        let shared = self.share()?;
        Ok(shared.map(|shared| Box::new(shared) as Box<dyn AcceptErased>))
    }
}

/// [`Pending`] without its type.
pub(super) trait EstablishErased: Send {
    fn peer_erased(&self) -> PeerAddr;
    fn refused_erased(&self) -> Option<Reason>;
    fn hop_timeout_erased(&self) -> Option<Duration>;
    fn identify_erased(&mut self) -> BoxFuture<'_, Result<(), TransportError>>;
    fn establish_erased(
        self: Box<Self>,
    ) -> BoxFuture<'static, Result<Connection<BoxIo>, TransportError>>;
}

impl<P: Pending> EstablishErased for P {
    fn peer_erased(&self) -> PeerAddr {
        self.peer()
    }

    fn refused_erased(&self) -> Option<Reason> {
        self.refused()
    }

    fn hop_timeout_erased(&self) -> Option<Duration> {
        self.hop_timeout()
    }

    fn identify_erased(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(self.identify())
    }

    fn establish_erased(
        self: Box<Self>,
    ) -> BoxFuture<'static, Result<Connection<BoxIo>, TransportError>> {
        Box::pin(async move {
            let connection = (*self).establish().await?;
            Ok(connection.map(|io| Box::new(io) as BoxIo))
        })
    }
}
