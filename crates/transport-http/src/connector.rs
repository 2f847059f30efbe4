//! Guarded dials for HTTP clients.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use ron_transport::{Conn, Endpoint, TransportDialer, TransportError};
use tower_service::Service;

/// Dials for HTTP clients: clients of hyper-util, and channels of tonic.
///
/// `http` goes over TCP and `https` over TLS, unless [`over_tor`](Self::over_tor) or
/// [`to`](Self::to) says otherwise. Every connection has the limits of the transport. A client that
/// should use HTTP/2 sets `tls_client.alpn`; without TLS, hyper's `http2_only`.
///
/// ```no_run
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use ron_transport::Transport;
/// use transport_http::Connector;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Transport::builder().build()?;
/// let client: Client<_, Empty<Bytes>> =
///     Client::builder(TokioExecutor::new()).build(Connector::new(transport.dialer()));
/// let response = client.get("https://example.com/".parse()?).await?;
/// println!("{}", response.status());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Connector {
    dialer: TransportDialer,
    route: Route,
}

/// The way to the host of a URI.
#[derive(Debug, Clone)]
enum Route {
    Direct,
    Tor,
    Fixed(Endpoint),
}

impl Connector {
    /// Dials the host of each URI.
    #[must_use]
    pub const fn new(dialer: TransportDialer) -> Self {
        let route = Route::Direct;
        Self { dialer, route }
    }

    /// Dials over Tor: `http` as `tor://`, `https` as `tls+tor://`.
    #[must_use]
    pub fn over_tor(mut self) -> Self {
        self.route = Route::Tor;
        self
    }

    /// Dials this endpoint for every URI, a Unix socket for example.
    #[must_use]
    pub fn to(mut self, endpoint: Endpoint) -> Self {
        self.route = Route::Fixed(endpoint);
        self
    }

    fn endpoint(&self, uri: &Uri) -> Result<Endpoint, TransportError> {
        let wrong = |why: &str| TransportError::Config {
            source: format!("cannot dial \"{uri}\": {why}").into(),
        };
        if let Route::Fixed(endpoint) = &self.route {
            return Ok(endpoint.clone());
        }
        let is_tor = matches!(self.route, Route::Tor);
        let (scheme, port) = match (uri.scheme_str(), is_tor) {
            (Some("http"), false) => ("tcp", 80),
            (Some("https"), false) => ("tls", 443),
            (Some("http"), true) => ("tor", 80),
            (Some("https"), true) => ("tls+tor", 443),
            _ => return Err(wrong("the scheme must be http or https")),
        };
        let host = uri.host().ok_or_else(|| wrong("it has no host"))?;
        let port = uri.port_u16().unwrap_or(port);
        let endpoint = format!("{scheme}://{host}:{port}").parse::<Endpoint>();
        endpoint.map_err(|error| wrong(&error.to_string()))
    }
}

impl Service<Uri> for Connector {
    type Response = ClientStream;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<ClientStream, TransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (endpoint, dialer) = (self.endpoint(&uri), self.dialer.clone());
        Box::pin(async move {
            let conn = dialer.dial(endpoint?).await?;
            Ok(ClientStream(TokioIo::new(conn)))
        })
    }
}

/// A dialed connection, in the form that hyper uses.
#[derive(Debug)]
pub struct ClientStream(TokioIo<Conn>);

impl ClientStream {
    /// Returns the connection.
    #[must_use]
    pub fn into_conn(self) -> Conn {
        self.0.into_inner()
    }
}

impl Connection for ClientStream {
    fn connected(&self) -> Connected {
        let conn = self.0.inner();
        let connected = Connected::new().extra(crate::ConnDetails::new(conn));
        if conn.info().alpn.as_deref() == Some(b"h2") {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl Read for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}
