//! Ends of guarded connections.
//!
//! In order, with `close_notify` and the last answer, or by a reset.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport_core::CloseReason;
use transport_limits::GuardedIo;
use transport_tcp::raw::TcpIo;
use transport_tls::raw::TlsIo;

use crate::guard::{guarded_with, Guarded};
use crate::rustls_peer::Peer;

type Ours = GuardedIo<TlsIo<TcpIo>>;

const IDLE: Duration = Duration::from_secs(1);

async fn meet() -> (Guarded, Ours, Peer<TcpStream>) {
    let mut rig = guarded_with(|deadlines| deadlines.idle = IDLE).await;
    let connecting = async {
        let io = TcpStream::connect(rig.addr).await.unwrap();
        Peer::connect(io, &rig.authority).await
    };
    let accepting = async { rig.guard.accept().await.establish().await.unwrap().io };
    let (ours, peer) = tokio::join!(accepting, connecting);
    (rig, ours, peer)
}

#[tokio::test]
async fn dropped_stream_sends_close_notify() {
    let (rig, mut ours, mut peer) = meet().await;
    ours.write_all(b"last words").await.unwrap();
    drop(ours);
    assert_eq!(peer.read_to_end().await.unwrap(), b"last words");
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
}

#[tokio::test]
async fn idle_end_sends_close_notify() {
    let (rig, mut ours, mut peer) = meet().await;
    let error = ours.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(ours);
    assert_eq!(peer.read_to_end().await.unwrap(), b"");
    assert_eq!(rig.recorder.closes(CloseReason::Idle), 1);
}

#[tokio::test]
async fn cancelled_stream_is_reset() {
    let (rig, mut ours, mut peer) = meet().await;
    ours.write_all(b"half").await.unwrap();
    ours.control().cancel();
    ours.read(&mut [0; 1]).await.unwrap_err();
    drop(ours);
    let error = peer.read_to_end().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 1);
}

/// Unread bytes at the close would reset the connection.
///
/// The reset would destroy the answer in flight.
#[tokio::test]
async fn last_answer_survives_garbage() {
    let answer = vec![7; 200_000];
    for at_once in [true, false] {
        let (rig, mut ours, mut peer) = meet().await;
        let mut last = peer.records(b"?", true);
        if at_once {
            last.extend([9; 8192]);
        }
        peer.send(&last).await;
        ours.read_exact(&mut [0; 1]).await.unwrap();
        assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
        if !at_once {
            peer.send(&[9; 8192]).await;
        }
        let answering = async {
            ours.write_all(&answer).await.unwrap();
            ours.shutdown().await.unwrap();
            drop(ours);
        };
        let reading = async {
            // The first part of the answer, or a reset, has arrived at the peer.
            tokio::time::sleep(IDLE / 10).await;
            peer.read_to_end().await.unwrap()
        };
        let ((), read) = tokio::join!(answering, reading);
        assert_eq!(read, answer);
        assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
    }
}
