//! A dialer for handlers.

use std::future::Future;
use std::sync::Arc;

use transport_core::{ConnInfo, TransportError};

use crate::backend::Dialers;
use crate::conn::Conn;
use crate::dial_options::DialOptions;
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;
use crate::state::TransportState;

/// Dials through a transport without keeping it alive. Cheap to clone.
///
/// ```
/// use ron_transport::{relay, Conn, RelayError, Transport, TransportDialer, TransportError};
///
/// /// Forwards a connection to an upstream.
/// async fn forward(client: Conn, dialer: TransportDialer) -> Result<(), TransportError> {
///     let upstream = dialer.dial("tcp://127.0.0.1:8080").await?;
///     let relayed = relay(client, upstream).await?;
///     println!("{} bytes to the client", relayed.b_to_a);
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct TransportDialer {
    dialers: Arc<Dialers>,
    state: Arc<TransportState>,
}

impl TransportDialer {
    pub(crate) const fn new(dialers: Arc<Dialers>, state: Arc<TransportState>) -> Self {
        Self { dialers, state }
    }

    /// Dials as [`Transport::dial`](crate::Transport::dial) does.
    ///
    /// # Errors
    /// As [`Transport::dial`](crate::Transport::dial).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial<E>(&self, to: E) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        let to = to.try_into().map_err(Into::into)?;
        self.unless_killed(self.dialers.dial(&to)).await
    }

    /// Dials as [`Transport::dial_with`](crate::Transport::dial_with) does.
    ///
    /// # Errors
    /// As [`Transport::dial_with`](crate::Transport::dial_with).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial_with<E>(&self, to: E, options: &DialOptions) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        let to = to.try_into().map_err(Into::into)?;
        self.unless_killed(self.dialers.dial_with(&to, options))
            .await
    }

    /// Dials as [`Transport::dial_for`](crate::Transport::dial_for) does.
    ///
    /// # Errors
    /// As [`Transport::dial`](crate::Transport::dial).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial_for<E>(&self, to: E, client: &ConnInfo) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        let to = to.try_into().map_err(Into::into)?;
        self.unless_killed(self.dialers.dial_for(&to, client)).await
    }

    /// Dials as [`Transport::dial_isolated`](crate::Transport::dial_isolated) does.
    ///
    /// # Errors
    /// As [`Transport::dial_isolated`](crate::Transport::dial_isolated).
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
        let options = DialOptions::new().with_isolation(token);
        self.dial_with(to, &options).await
    }

    pub(crate) async fn prepare(&self, scheme: Scheme) -> Result<(), TransportError> {
        self.unless_killed(self.dialers.prepare(scheme)).await
    }

    pub(crate) async fn prepare_for(&self, to: &Endpoint) -> Result<(), TransportError> {
        self.unless_killed(self.dialers.prepare_for(to)).await
    }

    /// Fails with [`TransportError::Cancelled`] once the transport has ended.
    async fn unless_killed<T>(
        &self,
        operation: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        tokio::select! {
            biased;
            () = self.state.kill.cancelled() => Err(TransportError::Cancelled),
            result = operation => result,
        }
    }
}
