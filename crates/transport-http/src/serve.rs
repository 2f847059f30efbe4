//! The HTTP server: HTTP/1.1 and HTTP/2 over guarded connections.

use std::fmt;
use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming as HyperBody;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use ron_transport::{BoxError, Conn, Incoming};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_service::Service;
use tracing::Instrument;

use crate::request_state::RequestState;
use crate::response_body::RequestInFlight;
use crate::server_io::ServerIo;
use crate::{ConnDetails, RequestBody, ResponseBody, ServeOptions};

/// Time for a new connection's first byte during a drain.
///
/// Its client connected before the drain, and may have sent a request.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// A failed HTTP connection.
///
/// A malformed request, a timeout, a reset, or an error of the service.
#[derive(Debug)]
pub struct ServeError(BoxError);

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP connection failed: {}", self.0)
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Serves HTTP on each connection of a stream.
///
/// Returns when the stream and all connections have ended. The service is any tower service: axum's
/// `Router`, tonic's `Routes`. Each connection has a task of its own with the span [`Conn::span`].
/// See [`serve_connection`] for deadlines and drain.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use axum::{routing::get, Router};
/// use ron_transport::Transport;
/// use transport_http::{serve_http, ServeOptions};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Arc::new(Transport::builder().bind_addr("127.0.0.1:8080".parse()?).build()?);
/// transport.listen().await?;
/// let app = Router::new().route("/", get(|| async { "hello" }));
/// let serving = tokio::spawn(serve_http(transport.incoming()?, app, ServeOptions::of(&transport)));
/// tokio::signal::ctrl_c().await?;
/// transport.shutdown(Duration::from_secs(10)).await;
/// serving.await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the future closes the listener and all connections.
pub async fn serve_http<S, B>(mut incoming: Incoming, service: S, options: ServeOptions)
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + Sync + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut conns = JoinSet::new();
    loop {
        tokio::select! {
            conn = incoming.next() => {
                let Some(conn) = conn else { break };
                let span = conn.span();
                let serving = serve_connection(conn, service.clone(), options.clone());
                conns.spawn(async move {
                    if let Err(error) = serving.await {
                        tracing::debug!(target: "ron_transport", event = "http", error = %error);
                    }
                }.instrument(span));
            }
            Some(_) = conns.join_next() => {}
        }
    }
    while conns.join_next().await.is_some() {}
}

/// Serves HTTP on one connection.
///
/// The client chooses HTTP/1.1 or HTTP/2: by ALPN over TLS, else by its first bytes. Each request has
/// [`ConnDetails`] in its extensions.
///
/// A request head that is incomplete `read_timeout` after its first byte ends the connection, and so
/// does a body that pauses for as long; over HTTP/2 the late body fails alone. When the transport
/// drains, the connection ends after the requests in flight: HTTP/1.1 with `connection: close`,
/// HTTP/2 with GOAWAY. A new connection has a second for its first request. An upgraded connection, a WebSocket for example, keeps all limits.
///
/// # Errors
/// A failure of the connection. Most of them are the client's.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn serve_connection<S, B>(
    conn: Conn,
    service: S,
    options: ServeOptions,
) -> Result<(), ServeError>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + Sync + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let alpn = conn.info().alpn.clone();
    let state = RequestState::new(conn.control().clone());
    let details = ConnDetails::new(&conn);
    let draining = conn.draining();
    let _panic = conn.control().abort_on_panic();
    let service = RequestService {
        service: TowerToHyperService::new(service),
        details,
        state: state.clone(),
        options: options.clone(),
    };
    let builder = builder(&options, alpn.as_deref());
    let control = conn.control().clone();
    let io = TokioIo::new(ServerIo::new(conn, state.clone()));
    let serving = builder.serve_connection_with_upgrades(io, service);
    tokio::pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return served.map_err(ServeError),
        () = draining => {}
    }
    let mut first_byte = pin!(sleep(FIRST_BYTE.saturating_sub(control.age())));
    let served = poll_fn(|cx| match serving.as_mut().poll(cx) {
        Poll::Ready(served) => Poll::Ready(Some(served)),
        Poll::Pending if state.has_bytes() => Poll::Ready(None),
        Poll::Pending => first_byte.as_mut().poll(cx).map(|()| None),
    });
    if let Some(served) = served.await {
        return served.map_err(ServeError);
    }
    serving.as_mut().graceful_shutdown();
    serving.await.map_err(ServeError)
}

fn builder(options: &ServeOptions, alpn: Option<&[u8]>) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The guard's `read_timeout` applies from the first byte of a head.
        .header_read_timeout(None)
        .max_headers(options.max_headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .keep_alive_interval(options.read_timeout)
        .keep_alive_timeout(options.read_timeout)
        .max_concurrent_streams(options.max_concurrent_streams);
    match alpn {
        Some(b"h2") => builder.http2_only(),
        Some(b"http/1.1") => builder.http1_only(),
        _ => builder,
    }
}

/// Adds the connection to each request.
///
/// Keeps the connection busy until the response has ended.
#[derive(Clone)]
struct RequestService<S> {
    service: TowerToHyperService<S>,
    details: ConnDetails,
    state: RequestState,
    options: ServeOptions,
}

impl<S, B> hyper::service::Service<Request<HyperBody>> for RequestService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: Body,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn call(&self, request: Request<HyperBody>) -> Self::Future {
        let is_http2 = request.version() == Version::HTTP_2;
        if is_http2 {
            self.state.stop_tracking();
        }
        self.state.head_complete();
        let in_flight = RequestInFlight::new(self.state.clone());
        let mut request = request.map(|body| {
            if is_http2 {
                RequestBody::http2(body, self.options.read_timeout)
            } else {
                RequestBody::http1(body, self.state.clone())
            }
        });
        request.extensions_mut().insert(self.details.clone());
        let is_connect = request.method() == http::Method::CONNECT;
        let state = self.state.clone();
        let response = hyper::service::Service::call(&self.service, request);
        Box::pin(async move {
            let response = response.await?;
            let status = response.status();
            if status == StatusCode::SWITCHING_PROTOCOLS || (is_connect && status.is_success()) {
                state.stop_tracking();
            }
            Ok(response.map(|body| ResponseBody::new(body, in_flight)))
        })
    }
}
