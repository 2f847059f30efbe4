//! Relays that are dropped, and writers that fail.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{sleep, timeout};
use transport_core::{Backend, CloseReason, Listener, Pending, Plain};
use transport_limits::{relay, Guard, RelayError, Relayed, Side};
use transport_testkit::MemoryListener;

use crate::harness::{anywhere, Peer, Rig};

const SECOND: Duration = Duration::from_secs(1);

type Relaying = tokio::task::JoinHandle<Result<Relayed, RelayError>>;

/// Returns a relay between guarded streams, with the client and the server.
async fn relaying(rig: &mut Rig) -> (Relaying, Peer, Peer) {
    let (mut upstream, dialer) = MemoryListener::bind(Backend::Tcp);
    let dialer = Guard::new(dialer, &rig.limiter);
    let (ours, client) = rig.connect().await;
    let target = anywhere();
    let (dialed, accepted) = tokio::join!(dialer.dial(&target), upstream.accept());
    let server = accepted.unwrap().establish().await.unwrap();
    let relaying = tokio::spawn(relay(ours.io, dialed.unwrap().io));
    (relaying, client, server)
}

#[tokio::test(start_paused = true)]
async fn dropped_busy_relay_aborts_both_legs() {
    let mut rig = Rig::new(|_| {});
    let (relaying, mut client, mut server) = relaying(&mut rig).await;
    client.io.write_all(b"ask").await.unwrap();
    server.io.read_exact(&mut [0; 3]).await.unwrap();
    sleep(2 * SECOND).await;
    relaying.abort();
    assert!(relaying.await.unwrap_err().is_cancelled());
    for peer in [&mut client, &mut server] {
        peer.io.read(&mut [0; 1]).await.unwrap_err();
    }
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 2);
}

#[tokio::test(start_paused = true)]
async fn dropped_idle_relay_ends_in_order() {
    let mut rig = Rig::new(|_| {});
    let (relaying, mut client, mut server) = relaying(&mut rig).await;
    client.io.write_all(b"ask").await.unwrap();
    server.io.read_exact(&mut [0; 3]).await.unwrap();
    server.io.write_all(b"answer").await.unwrap();
    client.io.read_exact(&mut [0; 6]).await.unwrap();
    sleep(2 * SECOND).await;
    relaying.abort();
    assert!(relaying.await.unwrap_err().is_cancelled());
    for peer in [&mut client, &mut server] {
        assert_eq!(peer.io.read(&mut [0; 1]).await.unwrap(), 0);
    }
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 0);
}

/// A silent stream whose writes fail.
struct FailingWrites(io::ErrorKind);

impl AsyncRead for FailingWrites {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for FailingWrites {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.0.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Any failure ends the relay, except the close of a peer.
#[tokio::test(start_paused = true)]
async fn failed_write_ends_relay_unless_peer_closed() {
    for (kind, is_gone) in [
        (io::ErrorKind::Other, false),
        (io::ErrorKind::PermissionDenied, false),
        (io::ErrorKind::BrokenPipe, true),
        (io::ErrorKind::ConnectionReset, true),
        (io::ErrorKind::ConnectionAborted, true),
        (io::ErrorKind::NotConnected, true),
    ] {
        let mut rig = Rig::new(|_| {});
        let (ours, mut client) = rig.connect().await;
        let relaying = relay(ours.io, Plain(FailingWrites(kind)));
        tokio::pin!(relaying);
        client.io.write_all(b"ask").await.unwrap();
        let ended = timeout(SECOND, relaying.as_mut()).await;
        if is_gone {
            assert!(ended.is_err(), "{kind:?}: it still reads the answer");
        } else {
            let error = ended.unwrap().unwrap_err();
            assert_eq!(error.side, Side::B, "{kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silent_relay_stays_open_both_ways() {
    let mut rig = Rig::new(|_| {});
    let (_relaying, mut client, mut server) = relaying(&mut rig).await;
    for _ in 0..2 {
        sleep(20 * SECOND).await;
        client.io.write_all(b"ask").await.unwrap();
        server.io.read_exact(&mut [0; 3]).await.unwrap();
        sleep(20 * SECOND).await;
        server.io.write_all(b"answer").await.unwrap();
        client.io.read_exact(&mut [0; 6]).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn relay_error_names_side_and_cause() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut client) = rig.connect().await;
    client.io.write_all(b"ask").await.unwrap();
    let writes = FailingWrites(io::ErrorKind::PermissionDenied);
    let failed = relay(ours.io, Plain(writes)).await.unwrap_err();
    let text = failed.to_string();
    assert!(text.starts_with("side b: "), "{text}");
    let source = std::error::Error::source(&failed).unwrap();
    assert_eq!(text, format!("side b: {source}"));
    assert_eq!(Side::A.to_string(), "a");
}
