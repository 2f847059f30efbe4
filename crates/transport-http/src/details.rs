//! The connection behind a request.

use std::ops::Deref;

use ron_transport::{Conn, ConnInfo, Control, PeerIdentity, VerifiedIdentity};

/// Describes the connection that carried a request.
///
/// [`serve_http`](crate::serve_http) and tonic put it into the extensions of each request; with
/// `axum::serve` it is the `ConnectInfo`. It dereferences to [`ConnInfo`]: peer, backend, identity,
/// ALPN, number of the connection.
///
/// ```
/// use http::Request;
/// use transport_http::ConnDetails;
///
/// fn peer<B>(request: &Request<B>) -> String {
///     match request.extensions().get::<ConnDetails>() {
///         Some(conn) => format!("connection {} from {:?}", conn.id, conn.peer),
///         None => "unknown".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ConnDetails(Control);

impl ConnDetails {
    /// Describes a connection.
    #[must_use]
    pub fn new(conn: &Conn) -> Self {
        Self(conn.control().clone())
    }

    /// Returns the handle that cancels and counts the connection.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.0
    }

    /// Returns the identity that the peer's certificate proved, if it proved one.
    #[must_use]
    pub fn verified_identity(&self) -> Option<&VerifiedIdentity> {
        match &self.0.info().identity {
            PeerIdentity::Verified(identity) => Some(identity),
            _ => None,
        }
    }
}

impl Deref for ConnDetails {
    type Target = ConnInfo;

    fn deref(&self) -> &ConnInfo {
        self.0.info()
    }
}
