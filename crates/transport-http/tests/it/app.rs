//! The service under test.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Frame;
use hyper_util::rt::TokioIo;
use ron_transport::VerifiedIdentity;
use tokio::io::copy_bidirectional;
use tokio::sync::Semaphore;
use tokio::time::{sleep, Sleep};
use transport_http::{ConnDetails, IdentityLayer};

/// Bytes of `/big`, more than all socket buffers hold.
pub(crate) const BIG: usize = 64 << 20;
/// Pause of `/stream` before each chunk.
///
/// A connection that pauses as long is idle for the guard.
pub(crate) const PAUSE: Duration = Duration::from_millis(1300);

/// The service; each request of `/sleep` adds a permit as it arrives.
pub(crate) fn app(arrived: Arc<Semaphore>) -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/ignore", post(|| async { "ignored" }))
        .route("/sleep/{ms}", get(slept))
        .route("/stream", get(|| async { Body::new(Pausing::new(2)) }))
        .route("/big", get(|| async { vec![b'x'; BIG] }))
        .route("/panic", get(panics))
        .route("/who", get(who))
        .route("/conn", get(conn))
        .route("/upgrade", get(upgrade))
        .layer(IdentityLayer::new())
        .layer(Extension(arrived))
}

async fn slept(Extension(arrived): Extension<Arc<Semaphore>>, Path(ms): Path<u64>) -> String {
    arrived.add_permits(1);
    sleep(Duration::from_millis(ms)).await;
    format!("slept {ms}")
}

async fn panics() -> &'static str {
    panic!("a handler's panic")
}

async fn who(identity: Option<Extension<VerifiedIdentity>>) -> String {
    identity.map_or_else(|| "none".to_owned(), |who| who.sans.join(" "))
}

/// Answers with the number and the ALPN of the connection.
async fn conn(request: Request) -> String {
    let conn = request.extensions().get::<ConnDetails>().unwrap();
    let alpn = conn.alpn.as_deref().unwrap_or(b"none");
    format!("{} {}", conn.id, String::from_utf8_lossy(alpn))
}

/// Switches to a protocol that echoes bytes.
async fn upgrade(request: Request) -> Response<Body> {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let (mut near, mut far) = tokio::io::duplex(1024);
        let (mut read, mut write) = tokio::io::split(&mut far);
        let echo = tokio::io::copy(&mut read, &mut write);
        let mut upgraded = TokioIo::new(upgraded);
        tokio::select! {
            _ = echo => {}
            _ = copy_bidirectional(&mut upgraded, &mut near) => {}
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .body(Body::empty())
        .unwrap()
}

/// A body of chunks with a pause before each.
struct Pausing {
    left: usize,
    pause: Pin<Box<Sleep>>,
}

impl Pausing {
    fn new(left: usize) -> Self {
        let pause = Box::pin(sleep(PAUSE));
        Self { left, pause }
    }
}

impl http_body::Body for Pausing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(self.pause.as_mut().poll(cx));
        *self = Self::new(self.left - 1);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"chunk")))))
    }
}
