//! Drains with requests in flight.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::PAUSE;
use crate::support::{get, get2, head, http2, response, Server, AMPLE};

transport_testkit::both! {
    requests_in_flight_are_answered
    http2_requests_in_flight_are_answered
    idle_connections_closed_at_once
    connection_close_in_last_response
    new_connection_is_served_during_drain
    new_connection_without_request_is_closed
    pausing_response_is_not_idle
    request_at_deadline_is_aborted
}

/// Requests in flight, and longest time of one, in milliseconds.
const REQUESTS: u64 = 200;
const LONGEST: u64 = 500;

async fn requests_in_flight_are_answered() {
    let server = Server::start(&[]).await;
    let mut requests = JoinSet::new();
    for nth in 0..REQUESTS {
        let mut client = server.connect().await;
        let path = format!("/sleep/{}", nth * LONGEST / REQUESTS);
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        requests.spawn(async move { response(&mut client).await.1 });
    }
    let all_open = |s: &transport_testkit::Snapshot| s.accepts() == REQUESTS;
    server.recorder.wait_for("200 accepts", all_open).await;
    let report = server.transport.shutdown(AMPLE).await;
    assert!(TcpStream::connect(server.addr()).await.is_err());
    let mut answered = 0;
    while let Some(body) = requests.join_next().await {
        assert!(body.unwrap().starts_with("slept "));
        answered += 1;
    }
    assert_eq!((answered, report.aborted), (REQUESTS, 0), "{report:?}");
    timeout(AMPLE, server.serving).await.unwrap().unwrap();
}

async fn http2_requests_in_flight_are_answered() {
    let server = Server::start(&[]).await;
    let mut requests = JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = http2(server.connect().await).await;
        get2(&mut client, "/").await.unwrap();
        for nth in 0..REQUESTS / 4 {
            let mut client = client.clone();
            let path = format!("/sleep/{}", nth * LONGEST * 4 / REQUESTS);
            requests.spawn(async move { get2(&mut client, &path).await });
        }
        clients.push(client);
    }
    server.arrived(u32::try_from(requests.len()).unwrap()).await;
    let report = server.transport.shutdown(AMPLE).await;
    let mut answered = 0;
    while let Some(body) = requests.join_next().await {
        assert!(body.unwrap().unwrap().starts_with("slept "));
        answered += 1;
    }
    assert_eq!((answered, report.aborted), (REQUESTS, 0), "{report:?}");
    for client in &mut clients {
        // GOAWAY closed the connection.
        assert!(get2(client, "/").await.is_err());
    }
    timeout(AMPLE, server.serving).await.unwrap().unwrap();
}

async fn idle_connections_closed_at_once() {
    let server = Server::start(&[]).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = server.connect().await;
        get(&mut client, "/").await;
        clients.push(client);
    }
    let mut h2 = http2(server.connect().await).await;
    get2(&mut h2, "/").await.unwrap();
    let report = server.transport.shutdown(AMPLE).await;
    assert_eq!(report.aborted, 0, "{report:?}");
    assert_eq!(report.finished + report.closed_idle, 6, "{report:?}");
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
    timeout(AMPLE, server.serving).await.unwrap().unwrap();
}

async fn connection_close_in_last_response() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let request = "GET /sleep/200 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    server.arrived(1).await;
    let answer = async {
        let (head, body) = response(&mut client).await;
        let end = client.read(&mut [0]).await.unwrap();
        (head, body, end)
    };
    let (report, answer) = tokio::join!(server.transport.shutdown(AMPLE), answer);
    let (head, body, end) = answer;
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!((body.as_str(), end), ("slept 200", 0));
    assert_eq!((report.finished, report.closed_idle), (1, 0), "{report:?}");
}

async fn new_connection_is_served_during_drain() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let is_open = |s: &transport_testkit::Snapshot| s.inflight() == 1;
    server.recorder.wait_for("one connection", is_open).await;
    let request = async {
        sleep(Duration::from_millis(100)).await;
        get(&mut client, "/sleep/1500").await
    };
    let (report, answer) = tokio::join!(server.transport.shutdown(AMPLE), request);
    assert!(answer.0.contains("connection: close\r\n"), "{}", answer.0);
    assert_eq!(answer.1, "slept 1500");
    assert_eq!((report.finished, report.aborted), (1, 0), "{report:?}");
}

async fn new_connection_without_request_is_closed() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let is_open = |s: &transport_testkit::Snapshot| s.inflight() == 1;
    server.recorder.wait_for("one connection", is_open).await;
    let (report, end) = tokio::join!(server.transport.shutdown(AMPLE), client.read_u8());
    assert!(end.is_err());
    assert_eq!(report.aborted, 0, "{report:?}");
    assert!(report.took < Duration::from_secs(5), "{report:?}");
}

async fn pausing_response_is_not_idle() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let request = "GET /stream HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = async {
        let head = head(&mut client).await;
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        let mut body = String::new();
        client.read_to_string(&mut body).await.unwrap();
        body
    };
    let shutdown = async {
        sleep(PAUSE / 10).await;
        server.transport.shutdown(AMPLE).await
    };
    let (report, body) = tokio::join!(shutdown, answer);
    assert_eq!(body, "5\r\nchunk\r\n5\r\nchunk\r\n0\r\n\r\n");
    assert_eq!((report.finished, report.closed_idle), (1, 0), "{report:?}");
}

async fn request_at_deadline_is_aborted() {
    let server = Server::start(&[]).await;
    let mut busy = server.connect().await;
    let request = "GET /sleep/60000 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    busy.write_all(request.as_bytes()).await.unwrap();
    let mut idle = server.connect().await;
    get(&mut idle, "/").await;
    server.arrived(1).await;
    let report = server.transport.shutdown(Duration::from_millis(500)).await;
    assert_eq!(report.aborted, 1, "{report:?}");
    let error = busy.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    timeout(AMPLE, server.serving).await.unwrap().unwrap();
}
