//! A gRPC service on tonic, without generated code; drains on SIGTERM.
//!
//! `/demo.Greeter/Hello` answers a name, and `/demo.Greeter/Count` streams numbers up to the one in
//! its message, or ten. Messages are plain bytes; with `tonic-build`, the generated server takes the place of `Greeter`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::{Request, Response};
use ron_transport::{Config, Transport};
use tokio::signal::unix::{signal, SignalKind};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::Status;
use transport_http::ConnDetails;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let config = Config::loader().env_from_process().load()?.into_settings();
    let transport = Arc::new(Transport::builder().config(config).build()?);
    println!("listening on {}", transport.listen().await?);

    let incoming = transport_http::tonic::incoming(&transport)?;
    let draining = incoming.draining();
    let server = Server::builder()
        .add_routes(Routes::new(Greeter))
        .serve_with_incoming_shutdown(incoming, draining);
    let drain = async {
        terminate.recv().await;
        let deadline = transport.config().general.drain_timeout();
        transport.shutdown(deadline).await
    };
    let (served, report) = tokio::join!(server, drain);
    served?;
    println!("aborted {}", report.aborted);
    Ok(())
}

/// The service.
#[derive(Clone)]
struct Greeter;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

impl UnaryService<Bytes> for Greeter {
    type Response = Bytes;
    type Future = Answer<tonic::Response<Bytes>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let conn = request.extensions().get::<ConnDetails>();
        let names = conn.map(|conn| conn.identity.names().to_vec());
        let name = String::from_utf8_lossy(request.get_ref()).into_owned();
        let answer = format!("hello {name}, {:?}", names.unwrap_or_default());
        Box::pin(async move { Ok(tonic::Response::new(Bytes::from(answer))) })
    }
}

impl ServerStreamingService<Bytes> for Greeter {
    type Response = Bytes;
    type ResponseStream = Count;
    type Future = Answer<tonic::Response<Count>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let text = String::from_utf8_lossy(request.get_ref());
        let last = text.parse().unwrap_or(10);
        let timer = tokio::time::interval(Duration::from_millis(100));
        let count = Count {
            sent: 0,
            last,
            timer,
        };
        Box::pin(async move { Ok(tonic::Response::new(count)) })
    }
}

/// Numbers, one each 100 ms.
struct Count {
    sent: u32,
    last: u32,
    timer: tokio::time::Interval,
}

impl futures_core::Stream for Count {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.sent == self.last {
            return Poll::Ready(None);
        }
        std::task::ready!(self.timer.poll_tick(cx));
        self.sent += 1;
        Poll::Ready(Some(Ok(Bytes::from(self.sent.to_string()))))
    }
}

// Everything below is what `tonic-build` generates.

impl NamedService for Greeter {
    const NAME: &'static str = "demo.Greeter";
}

impl tower_service::Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(Plain);
            Ok(match request.uri().path() {
                "/demo.Greeter/Hello" => grpc.unary(Self, request).await,
                "/demo.Greeter/Count" => grpc.server_streaming(Self, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
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
