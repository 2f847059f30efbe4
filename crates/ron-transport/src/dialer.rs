//! What a transport hands out and does not keep: a dialer for handlers, and connections before
//! their handshake.

use std::sync::Arc;

use transport_core::{PeerAddr, TransportError};

use crate::backend::{AnyIncoming, Dialers};
use crate::conn::Conn;
use crate::endpoint::{Endpoint, Scheme};
use crate::transport::Shared;

/// Dials through a transport without keeping it alive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TransportDialer {
    dialers: Arc<Dialers>,
    shared: Arc<Shared>,
}

impl TransportDialer {
    pub(crate) const fn new(dialers: Arc<Dialers>, shared: Arc<Shared>) -> Self {
        Self { dialers, shared }
    }

    /// As [`Transport::dial`](crate::Transport::dial).
    ///
    /// # Errors
    /// As [`Transport::dial`](crate::Transport::dial).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial(&self, to: &Endpoint) -> Result<Conn, TransportError> {
        tokio::select! {
            biased;
            () = self.shared.kill.cancelled() => Err(TransportError::Cancelled),
            dialed = self.dialers.dial(to) => dialed,
        }
    }
}

impl TransportDialer {
    /// As [`Transport::dial_isolated`](crate::Transport::dial_isolated).
    ///
    /// # Errors
    /// As [`Transport::dial_isolated`](crate::Transport::dial_isolated).
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    #[cfg(feature = "arti")]
    pub async fn dial_isolated(
        &self,
        to: &Endpoint,
        token: transport_arti::IsolationToken,
    ) -> Result<Conn, TransportError> {
        tokio::select! {
            biased;
            () = self.shared.kill.cancelled() => Err(TransportError::Cancelled),
            dialed = self.dialers.dial_isolated(to, token) => dialed,
        }
    }

    pub(crate) async fn prepare(&self, scheme: Scheme) -> Result<(), TransportError> {
        tokio::select! {
            biased;
            () = self.shared.kill.cancelled() => Err(TransportError::Cancelled),
            prepared = self.dialers.prepare(scheme) => prepared,
        }
    }

    pub(crate) async fn prepare_for(&self, to: &Endpoint) -> Result<(), TransportError> {
        tokio::select! {
            biased;
            () = self.shared.kill.cancelled() => Err(TransportError::Cancelled),
            prepared = self.dialers.prepare_for(to) => prepared,
        }
    }
}

/// An admitted connection before its handshake. Dropping it refuses the peer.
#[derive(Debug)]
pub struct IncomingConn(AnyIncoming);

impl IncomingConn {
    pub(crate) const fn new(incoming: AnyIncoming) -> Self {
        Self(incoming)
    }

    /// Who is there.
    #[must_use]
    pub fn peer(&self) -> PeerAddr {
        self.0.peer()
    }

    /// Number of the connection; `conn_id` in logs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// Runs the handshake under its deadline. Do it in a task of its own, or one slow peer holds
    /// up all others.
    ///
    /// # Errors
    /// A timeout or the backend's failure.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the peer.
    pub async fn establish(self) -> Result<Conn, TransportError> {
        self.0.establish().await
    }
}
