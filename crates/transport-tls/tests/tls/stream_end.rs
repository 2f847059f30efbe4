//! Stream ends: in order with `close_notify`, aborted without.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use transport_core::{Backend, CloseReason, Dialer, Io, Listener, Pending, TransportError};
use transport_testkit::{MemoryIo, MemoryListener};
use transport_tls::raw::TlsIo;
use transport_tls::PqMode;

use crate::pki::{self, Authority, Files};
use crate::rig::{read_failure, target, Rig};
use crate::rustls_peer::Peer;

type Ours = TlsIo<MemoryIo>;

fn authority() -> (Authority, Files) {
    let authority = Authority::new();
    let files = Files::new(&authority, &authority.leaf(&[pki::SERVER]));
    (authority, files)
}

/// Connects our end, a server or a client, with its peer.
async fn meet(ours_serves: bool) -> (Ours, Peer<MemoryIo>) {
    let (authority, files) = authority();
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let memory = MemoryListener::bind(Backend::Tcp);
    if ours_serves {
        let mut rig = Rig::over(memory, &server, &client);
        let accept = async { rig.listener.accept().await?.establish().await };
        let io = rig.plain.dial(&target()).await.unwrap().io;
        let (ours, peer) = tokio::join!(accept, Peer::connect(io, &authority));
        return (ours.unwrap().io, peer);
    }
    let (mut listener, plain) = memory;
    let rig = Rig::over(
        (MemoryListener::bind(Backend::Tcp).0, plain),
        &server,
        &client,
    );
    let accept = async {
        let io = listener.accept().await.unwrap().establish().await;
        Peer::accept(io.unwrap().io, &authority).await
    };
    let target = target();
    let (ours, peer) = tokio::join!(rig.dialer.dial(&target), accept);
    (ours.unwrap().io, peer)
}

/// Returns the number of bytes that a lingering close discards.
async fn discarded(io: &mut Ours) -> usize {
    let mut bytes = 0;
    loop {
        let mut space = [0; 512];
        let mut buf = ReadBuf::new(&mut space);
        poll_fn(|cx| io.poll_discard(cx, &mut buf)).await.unwrap();
        if buf.filled().is_empty() {
            return bytes;
        }
        bytes += buf.filled().len();
    }
}

#[tokio::test]
async fn abort_is_reset_not_end_of_stream() {
    for server_aborts in [true, false] {
        let (server, client) = Rig::plain(PqMode::Off).connect().await;
        let (mut aborts, mut reads) = if server_aborts {
            (server, client)
        } else {
            (client, server)
        };
        aborts.io.write_all(b"half of it").await.unwrap();
        aborts.io.flush().await.unwrap();
        aborts.io.abort();
        drop(aborts);
        reads.io.read_exact(&mut [0; 10]).await.unwrap();
        let error = read_failure(&mut reads).await;
        assert_eq!(error.close_reason(), CloseReason::Reset, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_full_buffers() {
    let (_, files) = authority();
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
    let memory = (listener, dialer.buffer_bytes(1000));
    let (mut ours, mut theirs) = Rig::over(memory, &server, &client).connect().await;
    // Tickets are sent first.
    let quiet = timeout(Duration::from_millis(1), theirs.io.read(&mut [0; 1])).await;
    assert!(quiet.is_err() && ours.io.has_sent_all());
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_millis(1), ours.io.write(&[7; 9999])).await {
        sent += written.unwrap();
    }
    assert!(!ours.io.has_sent_all());
    let mut got = Vec::new();
    let (shut, read) = tokio::join!(ours.io.shutdown(), theirs.io.read_to_end(&mut got));
    shut.unwrap();
    assert_eq!(read.unwrap(), sent);
    assert!(got.iter().all(|byte| *byte == 7));
    assert!(ours.io.has_sent_all());
    theirs.io.write_all(b"later").await.unwrap();
    theirs.io.shutdown().await.unwrap();
    got.clear();
    ours.io.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"later");
}

/// Data after a closure alert is ignored (RFC 8446 §6.1).
#[tokio::test]
async fn garbage_after_close_notify_is_ignored() {
    let garbage = [
        Vec::new(),
        vec![0; 4096],
        [&[23, 3, 3, 15, 251][..], &[7; 4091]].concat(),
        [21, 3, 3, 0, 2, 2, 40].repeat(585),
        vec![22, 3, 1, 2, 0, 1, 0],
    ];
    for ours_serves in [true, false] {
        for garbage in &garbage {
            for at_once in [true, false] {
                let (mut ours, mut peer) = meet(ours_serves).await;
                let mut last = peer.records(b"request", true);
                if at_once {
                    last.extend(garbage);
                }
                peer.send(&last).await;
                let mut got = [0; 7];
                ours.read_exact(&mut got).await.unwrap();
                assert_eq!(&got, b"request");
                assert_eq!(ours.read(&mut got).await.unwrap(), 0);
                if !at_once {
                    peer.send(garbage).await;
                }
                assert_eq!(ours.read(&mut got).await.unwrap(), 0, "later reads too");
                ours.write_all(b"reply").await.unwrap();
                ours.flush().await.unwrap();
                ours.shutdown().await.unwrap();
                assert_eq!(peer.read_to_end().await.unwrap(), b"reply");
                drop(peer);
                // TLS has read a part of the same segment.
                let below = discarded(&mut ours).await;
                assert!(below == garbage.len() || at_once && below < garbage.len());
            }
        }
    }
}

/// Data that arrives while lingering is not decrypted.
///
/// It can be endless.
#[tokio::test]
async fn discard_does_not_decrypt_records() {
    let (mut ours, mut peer) = meet(true).await;
    ours.shutdown().await.unwrap();
    let late = peer.records(b"late", false);
    peer.send(&late).await;
    peer.send(&[0; 99]).await;
    drop(peer);
    assert_eq!(discarded(&mut ours).await, late.len() + 99);
}

/// Ends a peer, and returns the result of our shutdown.
///
/// The peer ends with or without `close_notify` and reset.
async fn gone(close_notify: bool, reset: bool, reads: bool) -> (Ours, io::Result<()>) {
    let (mut ours, mut peer) = meet(true).await;
    let last = peer.records(b"?", close_notify);
    peer.send(&last).await;
    if reset {
        peer.io.abort();
    }
    drop(peer);
    if reads {
        ours.read_exact(&mut [0; 1]).await.unwrap();
    }
    let shut = ours.shutdown().await;
    (ours, shut)
}

#[tokio::test]
async fn shutdown_ends_in_order_after_close_notify() {
    for reset in [true, false] {
        for reads in [true, false] {
            let (mut ours, shut) = gone(true, reset, reads).await;
            shut.unwrap();
            let mut rest = Vec::new();
            ours.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.len(), usize::from(!reads), "no data is lost");
        }
    }
}

#[tokio::test]
async fn shutdown_fails_without_close_notify() {
    for reset in [true, false] {
        let (mut ours, shut) = gone(false, reset, true).await;
        let error = TransportError::from(shut.unwrap_err());
        assert_eq!(error.close_reason(), CloseReason::Reset, "{error:?}");
        assert!(ours.read(&mut [0; 1]).await.is_err());
    }
}

/// Undelivered data is an error, even after the peer's `close_notify`.
#[tokio::test(start_paused = true)]
async fn undelivered_data_fails_after_close_notify() {
    let (mut ours, mut peer) = meet(true).await;
    let last = peer.records(b"?", true);
    peer.send(&last).await;
    ours.read_exact(&mut [0; 1]).await.unwrap();
    while let Ok(written) = timeout(Duration::from_millis(1), ours.write(&[7; 9999])).await {
        written.unwrap();
    }
    drop(peer);
    assert!(ours.shutdown().await.is_err());
}
