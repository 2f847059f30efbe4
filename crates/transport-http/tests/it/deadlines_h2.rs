//! Deadlines over HTTP/2.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout, Instant};

use crate::support::{get2, http2, Server, AMPLE, READ};

transport_testkit::both! {
    unused_connection_outlives_read_timeout
    paused_body_ends_its_stream_only
    unfinished_frame_ends_connection
}

async fn unused_connection_outlives_read_timeout() {
    let server = Server::start(&[]).await;
    let mut client = http2(server.connect().await).await;
    sleep(READ * 4).await;
    assert_eq!(get2(&mut client, "/").await.unwrap(), "hello");
    sleep(READ * 4).await;
    assert_eq!(get2(&mut client, "/").await.unwrap(), "hello");
    assert_eq!(server.recorder.accepts(), 1);
}

async fn paused_body_ends_its_stream_only() {
    let server = Server::start(&[]).await;
    let mut client = http2(server.connect().await).await;
    let (mut body, paused) = Channel::<Bytes>::new(1);
    let post = |body| Request::post("http://localhost/echo").body(body).unwrap();
    let late = client.send_request(post(paused.boxed()));
    body.send_data(Bytes::from_static(b"half")).await.unwrap();
    let started = Instant::now();
    let mut other = client.clone();
    let other = async {
        sleep(READ * 3).await;
        other.send_request(post(Full::from("whole").boxed())).await
    };
    let (late, other) = tokio::join!(timeout(AMPLE, late), other);
    assert!(late
        .unwrap()
        .is_ok_and(|r| r.status() == StatusCode::BAD_REQUEST));
    assert!(started.elapsed() >= READ * 3);
    let whole = other.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "whole");
    assert_eq!(server.recorder.accepts(), 1);
}

async fn unfinished_frame_ends_connection() {
    let server = Server::start(&[]).await;
    let mut client = server.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    client.write_all(preface).await.unwrap();
    // The head of a HEADERS frame of 100 bytes.
    client
        .write_all(b"\0\0\x64\x01\x04\0\0\0\x01")
        .await
        .unwrap();
    let started = Instant::now();
    let closed = async {
        let mut buf = [0; 64];
        loop {
            let _ = client.write_u8(0x82).await;
            if let Ok(Ok(0) | Err(_)) = timeout(READ / 10, client.read(&mut buf)).await {
                return;
            }
        }
    };
    timeout(AMPLE, closed).await.unwrap();
    assert!(started.elapsed() < READ * 10, "{:?}", started.elapsed());
}
