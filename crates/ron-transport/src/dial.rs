//! Dials, and their preparation.

use transport_core::{ConnInfo, TransportError};

use crate::conn::Conn;
use crate::dial_options::DialOptions;
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;
use crate::transport::Transport;

impl Transport {
    /// Opens a guarded connection, under the same limits.
    ///
    /// The target is an [`Endpoint`], its text or a `SocketAddr`.
    ///
    /// # Errors
    /// A timeout; the failure of the resolver, the connect or the handshake; [`TransportError::Via`]
    /// if the proxy of `dial.via` opens no connection to the target; [`TransportError::Config`] for an invalid target; [`TransportError::Cancelled`] when the
    /// transport ends first.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial<E>(&self, to: E) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        self.dialer.dial(to).await
    }

    /// Dials with options of its own, in place of the configuration.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use ron_transport::{DialOptions, ErrorKind, Transport};
    ///
    /// let transport = Transport::builder().build()?;
    /// let options = DialOptions::new().with_timeout(Duration::from_secs(1));
    /// let refused = transport.dial_with("tcp://127.0.0.1:1", &options).await;
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::Connect);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`dial`](Self::dial), and [`TransportError::Config`] for an option out of range or
    /// without a use, such as a server name for `tcp://`. [`TransportError::Unsupported`] for a proxy
    /// or an isolation that the scheme has no use for.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial_with<E>(&self, to: E, options: &DialOptions) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        self.dialer.dial_with(to, options).await
    }

    /// Dials on behalf of an accepted connection.
    ///
    /// With `proxy.send` the connection begins with a PROXY header, below TLS, that announces the
    /// client: its address, and in version 2 its TLS session and the number of its connection. Without
    /// it, this is [`dial`](Self::dial). [`DialOptions::with_client`] combines it with other options.
    ///
    /// ```
    /// use ron_transport::{relay, Conn, Transport, TransportError};
    ///
    /// /// Forwards a connection to an upstream, and announces the client.
    /// async fn forward(client: Conn, transport: &Transport) -> Result<(), TransportError> {
    ///     let upstream = transport.dial_for("tcp://127.0.0.1:8080", client.info()).await?;
    ///     relay(client, upstream).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial_for<E>(&self, to: E, client: &ConnInfo) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        self.dialer.dial_for(to, client).await
    }

    /// Dials over Tor on circuits that only this token shares.
    ///
    /// `arti.isolation` does not change that. [`DialOptions::with_isolation`] combines it with other
    /// options.
    ///
    /// # Errors
    /// As [`dial`](Self::dial), and [`TransportError::Unsupported`] for a scheme without Tor.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    #[cfg(feature = "arti")]
    pub async fn dial_isolated<E>(
        &self,
        to: E,
        token: transport_arti::IsolationToken,
    ) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        self.dialer.dial_isolated(to, token).await
    }

    /// Loads the files that dials through a scheme need.
    ///
    /// An unusable trust store or key then fails here, before the first dial. For a scheme over Tor
    /// it starts the Tor client, whose bootstrap continues in the background. Without this call, the
    /// first dial does all this.
    ///
    /// # Errors
    /// [`TransportError::Tls`] or [`TransportError::Config`] for unusable files or settings,
    /// [`TransportError::Unsupported`] for a scheme that is not compiled in,
    /// [`TransportError::Cancelled`] when the transport ends first.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn prepare(&self, scheme: Scheme) -> Result<(), TransportError> {
        self.dialer.prepare(scheme).await
    }

    /// Prepares dials to a target, as [`prepare`](Self::prepare) does for its scheme.
    ///
    /// Over Tor, readiness covers the target from then on: `Ready` means that a suitable circuit was
    /// built, through an exit to its port or to onion services.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn prepare_for<E>(&self, to: E) -> Result<(), TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        let to = to.try_into().map_err(Into::into)?;
        self.dialer.prepare_for(&to).await
    }
}
