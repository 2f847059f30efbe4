//! The TLS listener, over a raw listener.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use transport_core::{
    Backend, Connection, Listener, Observer, PeerAddr, Pending, Reason, Reloadable, TransportError,
};

use super::over::accept_over;
use super::stream::TlsIo;
use crate::ServerTls;

/// A TLS listener over a raw listener.
///
/// # Example
///
/// ```no_run
/// use transport_core::{Listener, NoObserver, Pending, Reloadable};
/// use transport_tcp::{raw::TcpListener, TcpConfig};
/// use transport_tls::raw::TlsListener;
/// use transport_tls::{PqMode, ServerTls, TlsConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = TlsConfig::default();
/// config
///     .set_cert_path(Some("/etc/ron/tls.pem".into()))
///     .set_key_path(Some("/etc/ron/tls.key".into()));
/// let tls = Reloadable::new(ServerTls::load(&config, PqMode::Off)?);
///
/// let tcp = TcpListener::bind(([127, 0, 0, 1], 8443).into(), &TcpConfig::default()).await?;
/// let mut listener = TlsListener::over(tcp, &tls, std::sync::Arc::new(NoObserver));
/// let pending = listener.accept().await?;
/// // The handshake runs here, without a deadline: a `Guard` adds one.
/// let connection = pending.establish().await?;
/// println!("{:?}", connection.info.identity);
/// # Ok(())
/// # }
/// ```
pub struct TlsListener<L> {
    raw: L,
    live: Reloadable<ServerTls>,
    observer: Arc<dyn Observer>,
}

impl<L: Listener> TlsListener<L> {
    /// Adds TLS to a raw listener.
    ///
    /// Each handshake uses the configuration that is current when it starts.
    #[must_use]
    pub fn over(raw: L, live: &Reloadable<ServerTls>, observer: Arc<dyn Observer>) -> Self {
        Self {
            raw,
            live: live.clone(),
            observer,
        }
    }

    /// Returns the listener below.
    pub const fn get_ref(&self) -> &L {
        &self.raw
    }

    /// Returns the TLS configuration, to replace or refresh it.
    pub const fn live(&self) -> &Reloadable<ServerTls> {
        &self.live
    }
}

impl<L: fmt::Debug> fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Pending = TlsPending<L::Pending>;

    fn backend(&self) -> Backend {
        Backend::Tls
    }

    /// Accepts a raw connection; [`TlsPending::establish`] runs the handshake.
    ///
    /// # Errors
    /// As the listener below.
    ///
    /// # Cancel safety
    /// As the listener below: a dropped call loses no connection.
    async fn accept(&mut self) -> Result<Self::Pending, TransportError> {
        Ok(TlsPending {
            raw: self.raw.accept().await?,
            live: self.live.clone(),
            observer: Arc::clone(&self.observer),
        })
    }

    fn share(&self) -> Result<Option<Self>, TransportError> {
        let raw = self.raw.share()?;
        Ok(raw.map(|raw| Self::over(raw, &self.live, Arc::clone(&self.observer))))
    }
}

/// An accepted connection before its TLS handshake.
pub struct TlsPending<P> {
    raw: P,
    live: Reloadable<ServerTls>,
    observer: Arc<dyn Observer>,
}

impl<P: fmt::Debug> fmt::Debug for TlsPending<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsPending")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl<P: Pending> Pending for TlsPending<P> {
    type Io = TlsIo<P::Io>;

    const HANDSHAKE: bool = true;

    fn peer(&self) -> PeerAddr {
        self.raw.peer()
    }

    fn refused(&self) -> Option<Reason> {
        self.raw.refused()
    }

    fn hop_timeout(&self) -> Option<Duration> {
        self.raw.hop_timeout()
    }

    async fn identify(&mut self) -> Result<(), TransportError> {
        self.raw.identify().await
    }

    /// Runs the handshake.
    ///
    /// It completes with the client's last message. A client that disconnects before it has read its
    /// session tickets is established, and its stream then ends. After a failure the connection
    /// lingers for 100 ms, so that the peer receives the alert.
    ///
    /// # Errors
    /// [`TransportError::Tls`] for a failed handshake, [`TransportError::Closed`] for a client that
    /// closed the connection before its first byte, and the errors of the connection below.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection and counts the handshake as failed.
    async fn establish(self) -> Result<Connection<Self::Io>, TransportError> {
        let connection = self.raw.establish().await?;
        // Read here, so that a replacement applies to a connection that was waiting.
        accept_over(connection, &self.live.get(), &self.observer).await
    }
}
