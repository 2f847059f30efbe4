//! The TLS dialer, over a raw dialer.

use std::fmt;
use std::sync::Arc;

use transport_core::{Backend, Connection, Dialer, Observer, Reloadable, Target, TransportError};

use super::over::ClientOver;
use super::stream::TlsIo;
use crate::{ClientOptions, ClientTls};

/// A TLS dialer over a raw dialer.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::{Dialer, NoObserver, Reloadable};
/// use transport_tcp::raw::TcpDialer;
/// use transport_tls::raw::TlsDialer;
/// use transport_tls::{ClientTls, PqMode, TlsClientConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = ClientTls::load(&TlsClientConfig::default(), PqMode::Hybrid)?;
/// let tls = Reloadable::new(tls);
/// let dialer = TlsDialer::over(TcpDialer::default(), &tls, Arc::new(NoObserver));
/// // The certificate must be valid for `example.com`.
/// let connection = dialer.dial(&"example.com:443".parse()?).await?;
/// println!("{:?}", connection.info.kx);
/// # Ok(())
/// # }
/// ```
pub struct TlsDialer<D> {
    raw: D,
    live: Reloadable<ClientTls>,
    observer: Arc<dyn Observer>,
    options: ClientOptions,
}

impl<D: Dialer> TlsDialer<D> {
    /// Adds TLS to a raw dialer.
    ///
    /// Each dial uses the configuration that is current when it starts.
    #[must_use]
    pub fn over(raw: D, live: &Reloadable<ClientTls>, observer: Arc<dyn Observer>) -> Self {
        Self {
            raw,
            live: live.clone(),
            observer,
            options: ClientOptions::default(),
        }
    }

    /// Sets options that apply to every dial.
    ///
    /// # Errors
    /// As [`ClientOptions::check`].
    pub fn with_options(mut self, options: ClientOptions) -> Result<Self, TransportError> {
        options.check()?;
        self.options = options;
        Ok(self)
    }

    /// Returns the dialer below.
    pub const fn get_ref(&self) -> &D {
        &self.raw
    }

    /// Returns the TLS configuration, to replace or refresh it.
    pub const fn live(&self) -> &Reloadable<ClientTls> {
        &self.live
    }
}

impl<D: Clone> Clone for TlsDialer<D> {
    fn clone(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            live: self.live.clone(),
            observer: Arc::clone(&self.observer),
            options: self.options.clone(),
        }
    }
}

impl<D: fmt::Debug> fmt::Debug for TlsDialer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDialer")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl<D: Dialer> Dialer for TlsDialer<D> {
    type Io = TlsIo<D::Io>;

    const PRIVATE: bool = D::PRIVATE;

    fn backend(&self) -> Backend {
        Backend::Tls
    }

    /// Dials and runs the handshake.
    ///
    /// After a failed handshake the connection lingers for 100 ms, so that the server receives the
    /// alert.
    ///
    /// # Errors
    /// [`TransportError::Tls`] for a failed handshake or a host that is not a valid server name,
    /// [`TransportError::Unsupported`] for a target without a name if `tls_client.sni_override` is
    /// not set, and the errors of the dialer below.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection and counts a started handshake as failed.
    async fn dial(&self, to: &Target) -> Result<Connection<Self::Io>, TransportError> {
        let tls = self.live.get();
        // Before the connection: a target without a server name always fails.
        let handshake = ClientOver::to(&tls, &self.options, Some(to), D::PRIVATE)?;
        let connection = self.raw.dial(to).await?;
        handshake.connect(connection, &self.observer).await
    }
}
