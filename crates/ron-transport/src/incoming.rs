//! Admitted connections before their handshake.

use transport_core::{PeerAddr, TransportError};

use crate::backend::AnyAdmitted;
use crate::conn::Conn;

/// An admitted connection before its handshake. Dropping it refuses the peer.
#[derive(Debug)]
pub struct IncomingConn(AnyAdmitted);

impl IncomingConn {
    pub(crate) const fn new(admitted: AnyAdmitted) -> Self {
        Self(admitted)
    }

    /// Returns the peer's address.
    #[must_use]
    pub fn peer(&self) -> PeerAddr {
        self.0.peer()
    }

    /// Returns the number of the connection, `conn_id` in logs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// Runs the handshake under its deadline.
    ///
    /// Run it in a task of its own: in the accept loop, one slow peer delays all others.
    ///
    /// # Errors
    /// [`TransportError::Timeout`], or the backend's failure.
    ///
    /// # Cancel safety
    /// Dropping the future refuses the peer.
    pub async fn establish(self) -> Result<Conn, TransportError> {
        self.0.establish().await
    }
}
