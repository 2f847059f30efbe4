//! Settings of the server, and errors of connections and bodies.

use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::get as route;
use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use ron_transport::{Conn, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use transport_http::{serve_connection, serve_http, RequestBody, RequestBodyError, ServeOptions};

use crate::app::app;
use crate::support::{addr, get2, head, http2, listening, AMPLE};

transport_testkit::both! {
    head_with_more_fields_refused
    streams_over_the_maximum_wait
    malformed_head_is_an_error
    silent_client_may_leave_during_drain
    request_body_knows_its_length
    cut_request_body_is_an_error
}

async fn head_with_more_fields_refused() {
    let (transport, _) = listening(&[]).await;
    let options = ServeOptions::of(&transport).with_max_headers(3);
    let app = app(Arc::new(Semaphore::new(0)));
    tokio::spawn(serve_http(transport.incoming().unwrap(), app, options));
    for (fields, status) in [(3, "http/1.1 200"), (4, "http/1.1 431")] {
        let mut client = TcpStream::connect(addr(&transport)).await.unwrap();
        let fields: String = (0..fields).map(|at| format!("x-{at}: 1\r\n")).collect();
        let request = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = timeout(AMPLE, head(&mut client)).await.unwrap();
        assert!(answer.starts_with(status), "{fields}{answer}");
    }
}

async fn streams_over_the_maximum_wait() {
    let (transport, _) = listening(&[]).await;
    let options = ServeOptions::of(&transport).with_max_concurrent_streams(2);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((now, most));
    let counted = Arc::clone(&counts);
    // Each request waits for another one, so that two run at once on a slow machine too.
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let handler = move || {
        let (counted, both) = (Arc::clone(&counted), Arc::clone(&both));
        async move {
            let running = counted.0.fetch_add(1, Ordering::SeqCst) + 1;
            counted.1.fetch_max(running, Ordering::SeqCst);
            both.wait().await;
            counted.0.fetch_sub(1, Ordering::SeqCst);
            "counted"
        }
    };
    let app = Router::new()
        .route("/", route(handler))
        .route("/first", route(|| async { "first" }));
    tokio::spawn(serve_http(transport.incoming().unwrap(), app, options));
    let stream = TcpStream::connect(addr(&transport)).await.unwrap();
    let mut client = http2(stream).await;
    // The client knows the maximum once it has an answer.
    get2(&mut client, "/first").await.unwrap();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut client = client.clone();
        requests.spawn(async move { get2(&mut client, "/").await });
    }
    while let Some(answer) = timeout(AMPLE, requests.join_next()).await.unwrap() {
        assert_eq!(answer.unwrap().unwrap(), "counted");
    }
    assert_eq!(counts.1.load(Ordering::SeqCst), 2);
}

/// An accepted connection and its client.
async fn pair() -> (Arc<Transport>, TcpStream, Conn) {
    let (transport, _) = listening(&[]).await;
    let mut incoming = transport.incoming().unwrap();
    let client = TcpStream::connect(addr(&transport)).await.unwrap();
    let conn = timeout(AMPLE, incoming.next()).await.unwrap().unwrap();
    (transport, client, conn)
}

async fn malformed_head_is_an_error() {
    let (transport, mut client, conn) = pair().await;
    let app = app(Arc::new(Semaphore::new(0)));
    let serving = serve_connection(conn, app, ServeOptions::of(&transport));
    client.write_all(b"no request\r\n\r\n").await.unwrap();
    let error = timeout(AMPLE, serving).await.unwrap().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("HTTP connection failed: "), "{text}");
    let cause = error.source().unwrap();
    assert!(cause.is::<hyper::Error>(), "{cause:?}");
    assert!(text.ends_with(&cause.to_string()), "{text}");
}

/// It ends the connection in order.
async fn silent_client_may_leave_during_drain() {
    let (transport, client, conn) = pair().await;
    let app = app(Arc::new(Semaphore::new(0)));
    let serving = serve_connection(conn, app, ServeOptions::of(&transport));
    let serving = tokio::spawn(serving);
    let draining = Arc::clone(&transport);
    let draining = tokio::spawn(async move { draining.shutdown(AMPLE).await });
    timeout(AMPLE, transport.draining()).await.unwrap();
    tokio::task::yield_now().await;
    drop(client);
    timeout(AMPLE, serving).await.unwrap().unwrap().unwrap();
    assert_eq!(draining.await.unwrap().aborted, 0);
}

/// Passes the request body to a test, and does not answer.
#[derive(Clone)]
struct KeepBody(Arc<Mutex<Option<RequestBody>>>);

impl tower_service::Service<Request<RequestBody>> for KeepBody {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        *self.0.lock().unwrap() = Some(request.into_body());
        std::future::pending()
    }
}

/// Sends a head to a server; returns its body and the client.
async fn body_of(head: &str) -> (Arc<Transport>, TcpStream, RequestBody) {
    let (transport, mut client, conn) = pair().await;
    let kept = Arc::default();
    let service = KeepBody(Arc::clone(&kept));
    tokio::spawn(serve_connection(
        conn,
        service,
        ServeOptions::of(&transport),
    ));
    client.write_all(head.as_bytes()).await.unwrap();
    let body = async {
        loop {
            if let Some(body) = kept.lock().unwrap().take() {
                break body;
            }
            tokio::task::yield_now().await;
        }
    };
    let body = timeout(AMPLE, body).await.unwrap();
    (transport, client, body)
}

async fn request_body_knows_its_length() {
    let (_transport, mut client, body) =
        body_of("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").await;
    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    assert!(format!("{body:?}").starts_with("RequestBody("));
    client.write_all(b"hello").await.unwrap();
    let read = timeout(AMPLE, body.collect()).await.unwrap().unwrap();
    assert_eq!(read.to_bytes(), "hello");
    let (_transport, _client, body) = body_of("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.is_end_stream());
}

async fn cut_request_body_is_an_error() {
    let (_transport, mut client, body) =
        body_of("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel").await;
    client.shutdown().await.unwrap();
    let error = timeout(AMPLE, body.collect()).await.unwrap().unwrap_err();
    let RequestBodyError::Http(cause) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(error.to_string(), cause.to_string());
    assert!(error.source().unwrap().is::<hyper::Error>());
    let late = RequestBodyError::Timeout(Duration::from_secs(1));
    assert!(late.source().is_none() && late.to_string().contains("1s"));
}
