//! Connections for tonic's server.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use ron_transport::{Transport, TransportError};
use tonic::transport::server::Connected;

use crate::{ConnDetails, ServerConn};

/// Established connections as a stream for tonic.
///
/// [`incoming`] creates it.
#[derive(Debug)]
pub struct TonicIncoming(ron_transport::Incoming);

/// Returns the transport's connections for `serve_with_incoming_shutdown`.
///
/// The shutdown signal is [`Transport::draining`]. [`ConnDetails`] is in the extensions of each
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
/// Server::builder()
///     .add_routes(routes)
///     .serve_with_incoming_shutdown(transport_http::tonic::incoming(&transport)?, transport.draining())
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Transport::incoming`].
pub fn incoming(transport: &Arc<Transport>) -> Result<TonicIncoming, TransportError> {
    transport.incoming().map(TonicIncoming)
}

impl Stream for TonicIncoming {
    type Item = Result<ServerConn, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.0).poll_next(cx);
        next.map(|conn| conn.map(|conn| Ok(ServerConn::new(conn))))
    }
}

impl Connected for ServerConn {
    type ConnectInfo = ConnDetails;

    fn connect_info(&self) -> ConnDetails {
        self.details()
    }
}
