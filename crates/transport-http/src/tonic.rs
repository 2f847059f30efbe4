//! Connections for tonic's server.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use ron_transport::{Transport, TransportError};
use tonic::transport::server::Connected;

use crate::handover::Handover;
use crate::{ConnDetails, ServerConn};

/// Established connections as a stream for tonic.
///
/// [`incoming`] creates it.
#[derive(Debug)]
pub struct TonicIncoming(Handover);

/// Returns the transport's connections for `serve_with_incoming_shutdown`.
///
/// The shutdown signal is [`TonicIncoming::draining`]. [`ConnDetails`] is in the extensions of each
/// request.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use ron_transport::Transport;
/// use tonic::service::Routes;
/// use tonic::transport::Server;
///
/// # async fn run(routes: Routes) -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Arc::new(Transport::builder().bind_addr("127.0.0.1:50051".parse()?).build()?);
/// transport.listen().await?;
/// let incoming = transport_http::tonic::incoming(&transport)?;
/// let draining = incoming.draining();
/// Server::builder()
///     .add_routes(routes)
///     .serve_with_incoming_shutdown(incoming, draining)
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Transport::incoming`].
pub fn incoming(transport: &Arc<Transport>) -> Result<TonicIncoming, TransportError> {
    Handover::new(transport).map(TonicIncoming)
}

impl TonicIncoming {
    /// Resolves when the transport drains, for `serve_with_incoming_shutdown`.
    ///
    /// Unlike [`Transport::draining`] it waits until the server has received every connection from
    /// before the drain and its first bytes, for at most 1 s: a server that is told earlier closes
    /// such connections with their requests unread.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.draining()
    }
}

impl Stream for TonicIncoming {
    type Item = Result<ServerConn, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx).map(|conn| conn.map(Ok))
    }
}

impl Connected for ServerConn {
    type ConnectInfo = ConnDetails;

    fn connect_info(&self) -> ConnDetails {
        self.details()
    }
}
