//! Deadlines over HTTP/1.1.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout, Instant};
use transport_core::{CloseReason, Reason};

use crate::support::{get, response, Server, AMPLE, READ};

transport_testkit::both! {
    dribbled_head_ends_at_read_timeout
    second_dribbled_head_ends_at_read_timeout
    half_preface_ends_at_read_timeout
    idle_keep_alive_outlives_read_timeout
    slow_handler_outlives_read_timeout
    paused_body_ends_at_read_timeout
    body_with_short_pauses_is_served
    slow_handler_with_unread_body_is_served
    stopped_reader_ends_at_write_timeout
}

/// Writes a byte every 20 ms until the server closes.
///
/// Returns the elapsed time.
async fn dribble(client: &mut TcpStream, bytes: &[u8]) -> Duration {
    let started = Instant::now();
    let mut bytes = bytes.iter().chain(std::iter::repeat(&b'a'));
    loop {
        let _ = client.write_u8(*bytes.next().unwrap()).await;
        if let Ok(read) = timeout(Duration::from_millis(20), client.read_u8()).await {
            assert!(read.is_err(), "an answer to half a request");
            return started.elapsed();
        }
        assert!(started.elapsed() < AMPLE, "the connection is still open");
    }
}

fn assert_at_read_timeout(took: Duration) {
    assert!(took >= READ, "too early: {took:?}");
    assert!(took < READ * 10, "too late: {took:?}");
}

async fn timed_out(server: &Server) {
    let text = "one reject `timeout`";
    let is_one = |s: &transport_testkit::Snapshot| s.rejected(Reason::Timeout) == 1;
    server.recorder.wait_for(text, is_one).await;
    let text = "no open connection";
    server.recorder.wait_for(text, |s| s.inflight() == 0).await;
}

async fn dribbled_head_ends_at_read_timeout() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let took = dribble(&mut client, b"GET / HTTP/1.1\r\nx: ").await;
    assert_at_read_timeout(took);
    timed_out(&server).await;
}

async fn second_dribbled_head_ends_at_read_timeout() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    assert_eq!(get(&mut client, "/").await.1, "hello");
    sleep(READ * 2).await;
    let took = dribble(&mut client, b"GET / HTTP/1.1\r\nx: ").await;
    assert_at_read_timeout(took);
    timed_out(&server).await;
}

async fn half_preface_ends_at_read_timeout() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    client.write_all(b"PRI * HTTP/2").await.unwrap();
    let started = Instant::now();
    assert!(timeout(AMPLE, client.read_u8()).await.unwrap().is_err());
    assert_at_read_timeout(started.elapsed() + Duration::from_millis(5));
    timed_out(&server).await;
}

async fn idle_keep_alive_outlives_read_timeout() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    sleep(READ * 2).await;
    for _ in 0..2 {
        assert_eq!(get(&mut client, "/").await.1, "hello");
        sleep(READ * 3).await;
    }
    assert_eq!(get(&mut client, "/").await.1, "hello");
    assert_eq!(server.recorder.rejected(Reason::Timeout), 0);
}

async fn slow_handler_outlives_read_timeout() {
    let server = Server::start(&[("idle_timeout", "1s")]).await;
    let mut client = server.connect().await;
    assert_eq!(get(&mut client, "/sleep/1500").await.1, "slept 1500");
}

async fn paused_body_ends_at_read_timeout() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf";
    client.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    let read = timeout(AMPLE, client.read_to_end(&mut Vec::new())).await;
    read.unwrap().ok();
    assert_at_read_timeout(started.elapsed() + Duration::from_millis(5));
    timed_out(&server).await;
}

async fn body_with_short_pauses_is_served() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    for byte in b"0123456789" {
        sleep(READ / 3).await;
        client.write_u8(*byte).await.unwrap();
    }
    assert_eq!(response(&mut client).await.1, "0123456789");
    assert_eq!(get(&mut client, "/").await.1, "hello");
}

async fn slow_handler_with_unread_body_is_served() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let head = "POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    client.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(response(&mut client).await.1, "ignored");
    sleep(READ * 2).await;
    assert_eq!(get(&mut client, "/").await.1, "hello");
}

async fn stopped_reader_ends_at_write_timeout() {
    let server = Server::start(&[("write_timeout", "300ms")]).await;
    let mut client = server.connect().await;
    let request = "GET /big HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    client.read_u8().await.unwrap();
    timed_out(&server).await;
    assert_eq!(server.recorder.closes(CloseReason::Timeout), 1);
}
