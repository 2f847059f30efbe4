//! The servers of axum and of tonic on the transport.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use axum::routing::get as route;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::service::Routes;
use transport_http::ConnDetails;

use crate::app::app;
use crate::over::borrowed;
use crate::support::{addr, get, get2, http2, listening, Pki};

transport_testkit::both! {
    axum_connect_info
    tonic_sees_identity_and_alpn
    tonic_request_has_details
}

async fn axum_connect_info() {
    let pki = Pki::new();
    let (transport, _) = listening(&borrowed(&pki.settings("optional"))).await;
    let who = |ConnectInfo(conn): ConnectInfo<ConnDetails>| async move {
        let alpn = conn.alpn.as_deref().unwrap_or(b"none");
        let names = conn.verified_identity().map(|who| who.sans.join(" "));
        format!("{} {names:?}", String::from_utf8_lossy(alpn))
    };
    let listener = transport_http::axum::listener(&transport).unwrap();
    let app = axum::Router::new().route("/", route(who));
    let app = app.into_make_service_with_connect_info::<ConnDetails>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let to = format!("tls://localhost:{}", addr(&transport).port());
    let known = "Some(\"client.example\")";
    for (has_certificate, names) in [(true, known), (false, "None")] {
        let dialer = pki.client("http/1.1", has_certificate);
        let mut client = dialer.dial(to.as_str()).await.unwrap();
        let expected = format!("http/1.1 {names}");
        assert_eq!(get(&mut client, "/").await.1, expected);
        let dialer = pki.client("h2", has_certificate);
        let mut client = http2(dialer.dial(to.as_str()).await.unwrap()).await;
        let expected = format!("h2 {names}");
        assert_eq!(get2(&mut client, "/").await.unwrap(), expected);
    }
}

async fn tonic_sees_identity_and_alpn() {
    let pki = Pki::new();
    let (transport, _) = listening(&borrowed(&pki.settings("optional"))).await;
    let incoming = transport_http::tonic::incoming(&transport).unwrap();
    let routes = Routes::from(app(Arc::new(Semaphore::new(0))));
    let serving = tonic::transport::Server::builder()
        .accept_http1(true)
        .add_routes(routes);
    tokio::spawn(serving.serve_with_incoming(incoming));
    let to = format!("tls://localhost:{}", addr(&transport).port());
    for (has_certificate, name) in [(true, "client.example"), (false, "none")] {
        let dialer = pki.client("h2", has_certificate);
        let mut client = http2(dialer.dial(to.as_str()).await.unwrap()).await;
        assert_eq!(get2(&mut client, "/who").await.unwrap(), name);
        assert!(get2(&mut client, "/conn").await.unwrap().ends_with(" h2"));
        let dialer = pki.client("http/1.1", has_certificate);
        let mut client = dialer.dial(to.as_str()).await.unwrap();
        assert_eq!(get(&mut client, "/who").await.1, name);
        assert!(get(&mut client, "/conn").await.1.ends_with(" http/1.1"));
    }
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
        Box::pin(async move {
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
