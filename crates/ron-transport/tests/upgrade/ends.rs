//! The ends of an upgraded connection, as its peer sees them.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use ron_transport::{CloseReason, Conn, Reason, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;
use transport_testkit::Snapshot;

use crate::pki::MemoryPki;
use crate::rig::{ask_upgrade, client, Listening, Over, HANDSHAKE};
use crate::security::{connect, session};

/// Writes a byte, and waits until the peer has read it.
async fn greet(mut conn: Conn) -> Conn {
    conn.write_all(b"x").await.unwrap();
    assert_eq!(conn.read_u8().await.unwrap(), b'y');
    conn
}

/// Upgrades as a foreign client, and returns the end of the stream.
async fn foreign(served: &Listening, pki: &MemoryPki) -> Result<usize, ErrorKind> {
    let (port, mut session) = (served.port(), session(pki));
    let read = spawn_blocking(move || {
        let mut socket = connect(port);
        socket.write_all(b"STARTTLS\n").unwrap();
        socket.read_exact(&mut [0; 3]).unwrap();
        let mut stream = ron_transport::tls::rustls::Stream::new(&mut session, &mut socket);
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
        stream.write_all(b"y").unwrap();
        stream.read(&mut byte).map_err(|error| error.kind())
    });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn end_in_order_sends_close_notify() {
    let pki = MemoryPki::new();
    let served = Listening::start(Over::Tcp, &pki, greet).await;
    let ended = async { drop(served.ended().await.unwrap()) };
    let (read, ()) = tokio::join!(foreign(&served, &pki), ended);
    assert_eq!(read, Ok(0));
    let is_over = |s: &Snapshot| s.closes(CloseReason::Eof) == 1;
    served.recorder.wait_for("the end", is_over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_resets_below_tls() {
    let pki = MemoryPki::new();
    let served = Listening::start(Over::Tcp, &pki, greet).await;
    let cancel = async {
        let conn = served.ended().await.unwrap();
        conn.control().cancel();
        conn
    };
    let (read, _conn) = tokio::join!(foreign(&served, &pki), cancel);
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
    let is_over = |s: &Snapshot| s.closes(CloseReason::Cancelled) == 1 && s.inflight() == 0;
    served.recorder.wait_for("the end", is_over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_close_notify_is_truncation() {
    let pki = MemoryPki::new();
    let served = Listening::start(Over::Tcp, &pki, greet).await;
    let (port, mut session) = (served.port(), session(&pki));
    let peer = spawn_blocking(move || {
        let mut socket = connect(port);
        socket.write_all(b"STARTTLS\n").unwrap();
        socket.read_exact(&mut [0; 3]).unwrap();
        let mut stream = ron_transport::tls::rustls::Stream::new(&mut session, &mut socket);
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"y").unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        socket
    });
    let mut conn = served.ended().await.unwrap();
    let error = conn.read(&mut [0; 1]).await.unwrap_err();
    let error = TransportError::from(error);
    assert_eq!(error.kind(), "tls_truncated");
    drop(conn);
    let is_over = |s: &Snapshot| s.closes(CloseReason::Truncated) == 1;
    served.recorder.wait_for("the end", is_over).await;
    drop(peer.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peer_reset_at_handshake_deadline() {
    let pki = MemoryPki::new();
    let served = Listening::with_timeout(Over::Tcp, &pki, HANDSHAKE, greet).await;
    let port = served.port();
    let peer = spawn_blocking(move || {
        let mut socket = connect(port);
        socket.write_all(b"STARTTLS\n").unwrap();
        socket.read_exact(&mut [0; 3]).unwrap();
        let started = Instant::now();
        let read = socket.read(&mut [0; 1]).map_err(|error| error.kind());
        (read, started.elapsed())
    });
    let error = served.ended().await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Timeout), "{error}");
    let (read, took) = peer.await.unwrap();
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
    assert!(took < HANDSHAKE * 10, "{took:?}");
    let is_over = |s: &Snapshot| s.inflight() == 0;
    served.recorder.wait_for("the end", is_over).await;
    let taken = served.recorder.snapshot();
    assert_eq!(
        (taken.rejected(Reason::Timeout), taken.all_rejected()),
        (1, 1)
    );
    assert_eq!(
        (taken.closes(CloseReason::Timeout), taken.all_closes()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_ends_idle_upgraded_connection_in_order() {
    let pki = MemoryPki::new();
    let served = Listening::start(Over::Unix, &pki, |mut conn| async move {
        conn.write_all(b"x").await.unwrap();
        let mut rest = Vec::new();
        let _ = conn.read_to_end(&mut rest).await;
        conn
    })
    .await;
    let client = client();
    let mut conn = client.dial(&served.to).await.unwrap();
    ask_upgrade(&mut conn).await;
    let tls = pki.client_tls("client.example");
    let tls = ron_transport::TlsUpgrade::client(tls, "server.example");
    let mut conn = conn.upgrade_tls(tls).await.unwrap();
    conn.read_u8().await.unwrap();
    let shutdown = served.transport.shutdown(Duration::from_secs(20));
    let (report, read) = tokio::join!(shutdown, async {
        let read = conn.read(&mut [0; 1]).await;
        drop(conn);
        read
    });
    assert_eq!(read.unwrap(), 0, "close_notify");
    assert_eq!((report.closed_idle, report.aborted), (1, 0));
}
