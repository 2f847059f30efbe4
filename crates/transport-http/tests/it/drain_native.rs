//! Drains of the servers of axum and tonic, with requests in flight.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tonic::service::Routes;

use crate::app::app;
use crate::over::Over;
use crate::support::{get, get2, http2, response, AMPLE};

transport_testkit::both! {
    axum_over_tcp_answers_requests_in_flight
    axum_over_tls_answers_requests_in_flight
    axum_over_unix_answers_requests_in_flight
    axum_silent_connection_is_closed
    tonic_over_tcp_answers_requests_in_flight
    tonic_over_tls_answers_requests_in_flight
    tonic_over_unix_answers_requests_in_flight
    tonic_stalled_client_ends_at_deadline
}

/// Requests in flight.
const REQUESTS: u64 = 200;
/// The longest time of the others, in milliseconds.
const LONGEST: u64 = 300;
/// The time of the last request, in milliseconds.
const LAST: u64 = 1_500;
/// Connections without a request.
const IDLE: u64 = 5;
/// Connections of HTTP/2.
const CONNS: u64 = 4;

fn time_of(nth: u64) -> u64 {
    if nth == REQUESTS - 1 {
        LAST
    } else {
        nth * LONGEST / REQUESTS
    }
}

type Serving = JoinHandle<()>;

fn axum_serve(over: &Over) -> Serving {
    let listener = transport_http::axum::listener(&over.transport).unwrap();
    let draining = listener.draining();
    let app = app(Arc::new(Semaphore::new(0)));
    let serving = axum::serve(listener, app).with_graceful_shutdown(draining);
    tokio::spawn(async move { serving.await.unwrap() })
}

fn tonic_serve(over: &Over, arrived: &Arc<Semaphore>) -> Serving {
    let incoming = transport_http::tonic::incoming(&over.transport).unwrap();
    let draining = incoming.draining();
    let routes = Routes::from(app(Arc::clone(arrived)));
    let serving = tonic::transport::Server::builder()
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, draining);
    tokio::spawn(async move { serving.await.unwrap() })
}

/// Shuts down, and expects refused connections before the last response.
///
/// Returns the numbers of connections that the drain closed as idle and aborted.
async fn shutdown_refuses<T>(over: &Over, last: &JoinHandle<T>) -> (usize, usize) {
    let refused = async {
        while over.dial().await.is_ok() {
            // A client without pauses would keep the backlog filled, which is served.
            sleep(Duration::from_millis(10)).await;
        }
        assert!(!last.is_finished(), "refused after the last response only");
    };
    let refused = timeout(AMPLE, refused);
    let (report, refused) = tokio::join!(over.transport.shutdown(AMPLE), refused);
    refused.unwrap();
    (report.closed_idle, report.aborted)
}

/// Sends requests that the server has not read before the drain.
async fn axum_answers(over: impl Future<Output = Over>) {
    let over = over.await;
    let serving = axum_serve(&over);
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut client = over.connect().await;
        assert_eq!(get(&mut client, "/").await.1, "hello");
        idle.push(client);
    }
    let mut requests = JoinSet::new();
    let mut last = None;
    for nth in 0..REQUESTS {
        let mut client = over.connect().await;
        let path = format!("/sleep/{}", time_of(nth));
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        client.flush().await.unwrap();
        let answer = async move {
            let (head, body) = response(&mut client).await;
            let end = timeout(AMPLE, client.read(&mut [0])).await.unwrap();
            assert_eq!(end.unwrap(), 0, "the connection stays open");
            assert!(body.starts_with("slept "), "{body}");
            head
        };
        if nth == REQUESTS - 1 {
            last = Some(tokio::spawn(answer));
        } else {
            requests.spawn(answer);
        }
    }
    over.accepted(IDLE + REQUESTS).await;
    let last = last.unwrap();
    let cut = shutdown_refuses(&over, &last).await;
    assert_eq!(cut, (0, 0), "closed as idle, aborted");
    let mut answered = 1;
    while let Some(head) = requests.join_next().await {
        head.unwrap();
        answered += 1;
    }
    assert_eq!(answered, REQUESTS);
    let head = last.await.unwrap();
    assert!(head.contains("connection: close\r\n"), "{head}");
    for client in &mut idle {
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
    timeout(AMPLE, serving).await.unwrap().unwrap();
}

async fn axum_over_tcp_answers_requests_in_flight() {
    axum_answers(Over::tcp()).await;
}

async fn axum_over_tls_answers_requests_in_flight() {
    axum_answers(Over::tls("http/1.1")).await;
}

async fn axum_over_unix_answers_requests_in_flight() {
    axum_answers(Over::unix()).await;
}

async fn axum_silent_connection_is_closed() {
    let over = Over::tcp().await;
    let serving = axum_serve(&over);
    let mut client = over.connect().await;
    over.accepted(1).await;
    let report = over.transport.shutdown(AMPLE).await;
    assert_eq!(report.aborted, 0, "{report:?}");
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    timeout(AMPLE, serving).await.unwrap().unwrap();
}

async fn tonic_answers(over: impl Future<Output = Over>) {
    let over = over.await;
    let arrived = Arc::new(Semaphore::new(0));
    let serving = tonic_serve(&over, &arrived);
    let mut clients = Vec::new();
    for _ in 0..CONNS {
        clients.push(http2(over.connect().await).await);
    }
    let mut requests = JoinSet::new();
    let mut last = None;
    for nth in 0..REQUESTS {
        let at = usize::try_from(nth % CONNS).unwrap();
        let mut client: crate::support::Http2 = clients[at].clone();
        let path = format!("/sleep/{}", time_of(nth));
        let answer = async move { get2(&mut client, &path).await.unwrap() };
        if nth == REQUESTS - 1 {
            last = Some(tokio::spawn(answer));
        } else {
            requests.spawn(answer);
        }
    }
    let mut idle = http2(over.connect().await).await;
    assert_eq!(get2(&mut idle, "/").await.unwrap(), "hello");
    clients.push(idle);
    let all = arrived.acquire_many(u32::try_from(REQUESTS).unwrap());
    timeout(AMPLE, all).await.unwrap().unwrap().forget();
    let last = last.unwrap();
    let cut = shutdown_refuses(&over, &last).await;
    assert_eq!(cut, (0, 0), "closed as idle, aborted");
    let mut answered = 1;
    while let Some(body) = requests.join_next().await {
        assert!(body.unwrap().starts_with("slept "));
        answered += 1;
    }
    assert_eq!(answered, REQUESTS);
    assert_eq!(last.await.unwrap(), format!("slept {LAST}"));
    for client in &mut clients {
        // GOAWAY closed the connection.
        assert!(get2(client, "/").await.is_err());
    }
    timeout(AMPLE, serving).await.unwrap().unwrap();
}

async fn tonic_over_tcp_answers_requests_in_flight() {
    tonic_answers(Over::tcp()).await;
}

async fn tonic_over_tls_answers_requests_in_flight() {
    tonic_answers(Over::tls("h2")).await;
}

async fn tonic_over_unix_answers_requests_in_flight() {
    tonic_answers(Over::unix()).await;
}

/// The client does not answer the server's PING frame.
async fn tonic_stalled_client_ends_at_deadline() {
    let over = Over::tcp().await;
    let serving = tonic_serve(&over, &Arc::new(Semaphore::new(0)));
    let mut client = over.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    client.write_all(preface).await.unwrap();
    client.flush().await.unwrap();
    // The server's SETTINGS frame.
    client.read_u8().await.unwrap();
    let report = over.transport.shutdown(Duration::from_millis(200));
    let report = timeout(AMPLE, report).await.unwrap();
    assert_eq!(report.aborted, 1, "{report:?}");
    timeout(AMPLE, serving).await.unwrap().unwrap();
}
