//! Upgraded connections, such as WebSockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use transport_core::{CloseReason, Direction, Reason};

use crate::support::{head, Server, AMPLE, READ};

transport_testkit::both! {
    upgraded_connection_has_no_head_deadline
    upgraded_connection_keeps_idle_timeout
    upgraded_connection_is_aborted_by_drain
}

async fn upgraded(server: &Server) -> TcpStream {
    let mut client = server.connect().await;
    let request =
        "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut client).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    client
}

async fn echoes(client: &mut TcpStream) {
    client.write_all(b"x").await.unwrap();
    let echoed = timeout(AMPLE, client.read_u8()).await.unwrap();
    assert_eq!(echoed.unwrap(), b'x');
}

async fn upgraded_connection_has_no_head_deadline() {
    let server = Server::start(&[]).await;
    let mut client = upgraded(&server).await;
    for _ in 0..3 {
        echoes(&mut client).await;
        sleep(READ * 2).await;
    }
    echoes(&mut client).await;
    assert_eq!(server.recorder.rejected(Reason::Timeout), 0);
    let backend = server.transport.backend();
    assert!(server.recorder.bytes(backend, Direction::In) > 70);
}

async fn upgraded_connection_keeps_idle_timeout() {
    let server = Server::start(&[("idle_timeout", "1s")]).await;
    let mut client = upgraded(&server).await;
    echoes(&mut client).await;
    let end = timeout(AMPLE, client.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
    assert_eq!(server.recorder.closes(CloseReason::Idle), 1);
}

async fn upgraded_connection_is_aborted_by_drain() {
    let server = Server::start(&[]).await;
    let mut client = upgraded(&server).await;
    client.write_all(b"x").await.unwrap();
    let report = server.transport.shutdown(Duration::from_millis(300)).await;
    assert_eq!(report.aborted, 1, "{report:?}");
}
