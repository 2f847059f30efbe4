//! A listener for `axum::serve`.

use std::future::{pending, Future};
use std::io;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use ron_transport::{PeerAddr, Transport, TransportError};

use crate::handover::Handover;
use crate::{ConnDetails, ServerConn};

/// Established connections as a listener of axum.
///
/// [`listener`] creates it.
#[derive(Debug)]
pub struct AxumListener {
    handover: Handover,
    local: Option<PeerAddr>,
}

/// Returns the transport's connections as a listener for `axum::serve`.
///
/// `with_graceful_shutdown` takes [`AxumListener::draining`], so that the server closes its connections
/// when the transport drains. `axum::serve` has no deadline for a request head:
/// [`serve_http`](crate::serve_http) has one, and serves a `Router` as well.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use axum::{routing::get, Router};
/// use ron_transport::Transport;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Arc::new(Transport::builder().bind_addr("127.0.0.1:8080".parse()?).build()?);
/// transport.listen().await?;
/// let app = Router::new().route("/", get(|| async { "hello" }));
/// let listener = transport_http::axum::listener(&transport)?;
/// let draining = listener.draining();
/// axum::serve(listener, app).with_graceful_shutdown(draining).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Transport::incoming`].
pub fn listener(transport: &Arc<Transport>) -> Result<AxumListener, TransportError> {
    let local = transport.local_addr().and_then(|addr| addr.socket_addr());
    Ok(AxumListener {
        handover: Handover::new(transport)?,
        local: local.map(PeerAddr::Ip),
    })
}

impl AxumListener {
    /// Resolves when the transport drains, for `with_graceful_shutdown`.
    ///
    /// Unlike [`Transport::draining`] it waits until the server has received every connection from
    /// before the drain and its first bytes, for at most 1 s: a server that is told earlier closes
    /// such connections with their requests unread.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.handover.draining()
    }
}

impl Listener for AxumListener {
    type Io = ServerConn;
    type Addr = Option<PeerAddr>;

    /// Waits for the next connection; never returns once the transport stops accepting.
    async fn accept(&mut self) -> (ServerConn, Option<PeerAddr>) {
        match self.handover.next().await {
            Some(conn) => {
                let peer = conn.details().peer;
                (conn, peer)
            }
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Option<PeerAddr>> {
        Ok(self.local)
    }
}

impl Connected<IncomingStream<'_, AxumListener>> for ConnDetails {
    fn connect_info(stream: IncomingStream<'_, AxumListener>) -> Self {
        stream.io().details()
    }
}
