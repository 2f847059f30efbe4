//! A gRPC stream of tonic during reloads.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{interval, timeout, Interval};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::service::Routes;
use tonic::Status;

use crate::over::borrowed;
use crate::support::{addr, http2, listening, Http2, Pki, AMPLE};

transport_testkit::both! {
    stream_survives_reloads_and_rotation
}

const RELOADS: u64 = 20;
/// Messages between two reloads.
const MESSAGES: u64 = 5;

async fn stream_survives_reloads_and_rotation() {
    let pki = Pki::new();
    let settings = pki.settings("off");
    let (transport, recorder) = listening(&borrowed(&settings)).await;
    let incoming = transport_http::tonic::incoming(&transport).unwrap();
    let draining = incoming.draining();
    let serving = tonic::transport::Server::builder()
        .add_routes(Routes::new(Counter))
        .serve_with_incoming_shutdown(incoming, draining);
    let serving = tokio::spawn(serving);
    let client = pki.client("h2", false);
    let to = format!("tls://localhost:{}", addr(&transport).port());
    let conn = client.dial(to.as_str()).await.unwrap();
    assert_eq!(conn.info().identity.names().len(), 1);
    let mut stream = Stream::open(&mut http2(conn).await).await;
    for nth in 0..RELOADS {
        let mut config = (*transport.config()).clone();
        // A cap that changes, so that every reload applies a key.
        let cap = (1_000 + nth).to_string();
        let set = transport_core::schema::Section::set;
        set(&mut config.limits, "max_conns", &cap.as_str().into()).unwrap();
        if nth == RELOADS / 2 {
            pki.rotate(&["localhost", "rotated.example"]);
        }
        let reloading = Arc::clone(&transport);
        let report = tokio::task::spawn_blocking(move || reloading.reload(config));
        assert_eq!(report.await.unwrap().unwrap().applied, ["max_conns"]);
        for _ in 0..MESSAGES {
            stream.expect_next().await;
        }
    }
    assert_eq!(recorder.accepts(), 1);
    let renewed = client.dial(to.as_str()).await.unwrap();
    let names = format!("{:?}", renewed.info().identity.names());
    assert!(names.contains("rotated.example"), "{names}");
    Stream::open(&mut http2(renewed).await)
        .await
        .expect_next()
        .await;
    stream.expect_next().await;
    let report = transport.shutdown(Duration::from_millis(200)).await;
    // An endless stream ends at the deadline.
    assert_eq!(report.aborted, 1, "{report:?}");
    timeout(AMPLE, serving).await.unwrap().unwrap().unwrap();
}

/// The client's side of a stream.
struct Stream {
    response: Response<hyper::body::Incoming>,
    received: BytesMut,
    next: u64,
}

impl Stream {
    async fn open(client: &mut Http2) -> Self {
        // An empty message: its flag and its length.
        let request = Request::post("http://localhost/test.Counter/Count")
            .header("content-type", "application/grpc")
            .body(Full::from(vec![0; 5]))
            .unwrap();
        Self {
            response: client.send_request(request).await.unwrap(),
            received: BytesMut::new(),
            next: 0,
        }
    }

    /// Reads a message; it has the number after the one before.
    async fn expect_next(&mut self) {
        const MESSAGE: usize = 5 + 8;
        while self.received.len() < MESSAGE {
            let frame = timeout(AMPLE, self.response.body_mut().frame()).await;
            let frame = frame.unwrap().unwrap().unwrap();
            self.received.put(frame.into_data().unwrap());
        }
        let mut message = self.received.split_to(MESSAGE);
        message.advance(5);
        assert_eq!(message.get_u64(), self.next);
        self.next += 1;
    }
}

/// Streams numbers, one each 10 ms.
#[derive(Clone)]
struct Counter;

/// The numbers of one stream.
struct Numbers {
    next: u64,
    timer: Interval,
}

impl futures_core::Stream for Numbers {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(self.timer.poll_tick(cx));
        self.next += 1;
        let number = (self.next - 1).to_be_bytes();
        Poll::Ready(Some(Ok(Bytes::copy_from_slice(&number))))
    }
}

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl ServerStreamingService<Bytes> for Counter {
    type Response = Bytes;
    type ResponseStream = Numbers;
    type Future = Answer<tonic::Response<Numbers>, Status>;

    fn call(&mut self, _: tonic::Request<Bytes>) -> Self::Future {
        let timer = interval(Duration::from_millis(10));
        Box::pin(async move { Ok(tonic::Response::new(Numbers { next: 0, timer })) })
    }
}

impl NamedService for Counter {
    const NAME: &'static str = "test.Counter";
}

impl tower_service::Service<Request<Body>> for Counter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(Plain).server_streaming(Self, request).await) })
    }
}

/// A codec for messages of plain bytes.
#[derive(Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buf.copy_to_bytes(buf.remaining())))
    }
}
