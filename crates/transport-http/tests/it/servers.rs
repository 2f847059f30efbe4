//! The servers of axum and of tonic on the transport.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::routing::get as route;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::service::Routes;
use transport_http::ConnDetails;

use crate::app::app;
use crate::support::{addr, get, http2, listening, response, Pki, AMPLE};

both! {
    axum_serve_drains
    axum_connect_info
    tonic_serve_drains
    tonic_request_has_details
}

async fn axum_serve_drains() {
    let (transport, _) = listening(&[]).await;
    let listener = transport_http::axum::listener(&transport).unwrap();
    let arrived = Arc::new(Semaphore::new(0));
    let serving = axum::serve(listener, app(Arc::clone(&arrived)))
        .with_graceful_shutdown(transport.draining());
    let serving = tokio::spawn(async move { serving.await });
    let mut idle = TcpStream::connect(addr(&transport)).await.unwrap();
    assert_eq!(get(&mut idle, "/").await.1, "hello");
    let mut busy = TcpStream::connect(addr(&transport)).await.unwrap();
    let request = "GET /sleep/1500 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    busy.write_all(request.as_bytes()).await.unwrap();
    timeout(AMPLE, arrived.acquire())
        .await
        .unwrap()
        .unwrap()
        .forget();
    let (report, answer) = tokio::join!(transport.shutdown(AMPLE), response(&mut busy));
    assert!(answer.0.contains("connection: close"), "{}", answer.0);
    assert_eq!(answer.1, "slept 1500");
    assert_eq!((report.finished, report.aborted), (2, 0), "{report:?}");
    timeout(AMPLE, serving).await.unwrap().unwrap().unwrap();
}

async fn axum_connect_info() {
    let pki = Pki::new();
    let server = pki.server("optional").await;
    let who = |ConnectInfo(conn): ConnectInfo<ConnDetails>| async move {
        format!("{:?}", conn.verified_identity().map(|who| who.sans.clone()))
    };
    // Another server with the same settings, by `axum::serve`.
    let config = (*server.transport.config()).clone();
    let transport = ron_transport::Transport::builder()
        .config(config)
        .build()
        .unwrap();
    transport.listen().await.unwrap();
    let transport = Arc::new(transport);
    let listener = transport_http::axum::listener(&transport).unwrap();
    let app = axum::Router::new().route("/", route(who));
    let app = app.into_make_service_with_connect_info::<ConnDetails>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let to = format!("tls://localhost:{}", addr(&transport).port());
    let dialer = pki.client("http/1.1", true);
    let mut client = dialer.dial(to).await.unwrap();
    assert_eq!(get(&mut client, "/").await.1, "Some([\"client.example\"])");
}

/// A service of tonic without code generation.
///
/// It answers with the number of the connection.
#[derive(Clone)]
struct Numbers;

impl tonic::server::NamedService for Numbers {
    const NAME: &'static str = "test.Numbers";
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl tower_service::Service<http::Request<Body>> for Numbers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let id = request
            .extensions()
            .get::<ConnDetails>()
            .map(|conn| conn.id);
        let is_slow = request.uri().path().ends_with("/Slow");
        Box::pin(async move {
            if is_slow {
                sleep(Duration::from_millis(1500)).await;
            }
            let body = Full::from(format!("{id:?}"));
            Ok(Response::new(Body::new(body)))
        })
    }
}

async fn call<B>(client: &mut hyper::client::conn::http2::SendRequest<B>, method: &str) -> Bytes
where
    B: http_body::Body + Default + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let uri = format!("http://localhost/test.Numbers/{method}");
    let request = http::Request::post(uri).body(B::default()).unwrap();
    let response = client.send_request(request).await.unwrap();
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn tonic_serve_drains() {
    let (transport, _) = listening(&[]).await;
    let incoming = transport_http::tonic::incoming(&transport).unwrap();
    let serving = tonic::transport::Server::builder()
        .add_routes(Routes::new(Numbers))
        .serve_with_incoming_shutdown(incoming, transport.draining());
    let serving = tokio::spawn(serving);
    let stream = TcpStream::connect(addr(&transport)).await.unwrap();
    let mut client = http2::<_, Full<Bytes>>(stream).await;
    let shutdown = async {
        sleep(Duration::from_millis(100)).await;
        transport.shutdown(AMPLE).await
    };
    let (report, body) = tokio::join!(shutdown, call(&mut client, "Slow"));
    assert!(body.starts_with(b"Some("), "{body:?}");
    assert_eq!((report.finished, report.aborted), (1, 0), "{report:?}");
    timeout(AMPLE, serving).await.unwrap().unwrap().unwrap();
}

async fn tonic_request_has_details() {
    let (transport, _) = listening(&[]).await;
    let incoming = transport_http::tonic::incoming(&transport).unwrap();
    let routes = Routes::new(Numbers);
    let serving = tonic::transport::Server::builder().add_routes(routes);
    tokio::spawn(serving.serve_with_incoming(incoming));
    let stream = TcpStream::connect(addr(&transport)).await.unwrap();
    let mut client = http2::<_, Full<Bytes>>(stream).await;
    let id = call(&mut client, "Fast").await;
    let expected = transport.connections()[0].id();
    assert_eq!(id, format!("Some({expected})"));
}
