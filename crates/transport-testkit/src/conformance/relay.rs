//! The relay between two guarded streams.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use transport_core::{
    CloseReason, Connection, ErrorKind, Io, Listener, Op, Pending, TransportError,
};
use transport_limits::{echo, relay, Control, Guard, Limits, RelayError, Relayed, Side};

use super::rig::{pattern, AcceptedIo, Peer, Rig};
use super::waits::{deadlines, Watch, IDLE, SHORT};
use crate::{Harness, Opened};

/// A client, our relay, and an upstream; only the relay is guarded.
struct Joined<H: Harness> {
    rig: Rig<H>,
    client: Peer<H>,
    upstream: Connection<AcceptedIo<H>>,
    /// Our end of the client's connection: the relay's side A.
    front: Control,
    relaying: JoinHandle<Result<Relayed, RelayError>>,
}

async fn join<H: Harness>(harness: &H, tune: impl FnOnce(&mut Limits)) -> Joined<H> {
    let mut rig = Rig::new(harness, tune).await;
    let (ours, client) = rig.connect().await;
    let Opened {
        mut listener,
        dialer,
        target,
    } = harness.open().await;
    let guard = Guard::new(dialer, &rig.limiter);
    let (dialed, upstream) = tokio::join!(guard.dial(&target), async {
        listener.accept().await.unwrap().establish().await.unwrap()
    });
    let (front, back) = (ours.io.control(), dialed.unwrap().io);
    let relaying = tokio::spawn(relay(ours.io, back));
    Joined {
        rig,
        client,
        upstream,
        front,
        relaying,
    }
}

/// Request, half-close and a later reply arrive whole, with and without amnesia.
pub async fn relay_passes_half_close_and_late_reply<H: Harness>(harness: &H) {
    for amnesia in [false, true] {
        late_reply(harness, amnesia).await;
    }
}

async fn late_reply<H: Harness>(harness: &H, amnesia: bool) {
    const UP: usize = 300_001;
    const DOWN: usize = 500_009;
    let Joined {
        rig,
        mut client,
        mut upstream,
        relaying,
        ..
    } = join(harness, |l| {
        l.set_amnesia(amnesia);
    })
    .await;
    let (request, reply) = (pattern(UP), pattern(DOWN));
    let asks = async {
        client.io.write_all(&request).await.unwrap();
        client.io.shutdown().await.unwrap();
        let mut got = Vec::new();
        client.io.read_to_end(&mut got).await.unwrap();
        assert!(got == reply, "{} bytes of the reply arrived", got.len());
    };
    let answers = async {
        let mut got = Vec::new();
        upstream.io.read_to_end(&mut got).await.unwrap();
        assert!(got == request, "{} bytes of the request arrived", got.len());
        tokio::time::sleep(SHORT).await;
        upstream.io.write_all(&reply).await.unwrap();
        upstream.io.shutdown().await.unwrap();
    };
    tokio::join!(asks, answers);
    let relayed = relaying.await.unwrap().unwrap();
    assert_eq!((relayed.a_to_b, relayed.b_to_a), (UP as u64, DOWN as u64));
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 2);
    drop((client, upstream));
    rig.inflight(0).await;
}

/// A relay cancelled in mid-transfer counts exactly the forwarded bytes.
pub async fn relay_counts_bytes_of_every_end<H: Harness>(harness: &H) {
    let Joined {
        rig,
        mut client,
        mut upstream,
        front,
        relaying,
    } = join(harness, |_| {}).await;
    client.io.write_all(&pattern(1000)).await.unwrap();
    client.io.flush().await.unwrap();
    upstream.io.read_exact(&mut [0; 1000]).await.unwrap();
    upstream.io.write_all(&pattern(77)).await.unwrap();
    upstream.io.flush().await.unwrap();
    client.io.read_exact(&mut [0; 77]).await.unwrap();
    front.cancel();
    let failed = relaying.await.unwrap().unwrap_err();
    assert_eq!(
        (failed.side, failed.error.kind()),
        (Side::A, ErrorKind::Cancelled)
    );
    let relayed = failed.relayed;
    assert_eq!((relayed.a_to_b, relayed.b_to_a), (1000, 77));
    // Both ends are closed, whichever of them was cancelled.
    assert!(matches!(
        upstream.io.read(&mut [0; 8]).await,
        Ok(0) | Err(_)
    ));
    assert!(matches!(client.io.read(&mut [0; 8]).await, Ok(0) | Err(_)));
    rig.inflight(0).await;
}

/// The end of the upstream ends the client, after its bytes.
pub async fn relay_ends_with_dead_side<H: Harness>(harness: &H) {
    let Joined {
        rig,
        mut client,
        mut upstream,
        relaying,
        ..
    } = join(harness, |_| {}).await;
    upstream.io.write_all(b"last words").await.unwrap();
    upstream.io.flush().await.unwrap();
    client.io.read_exact(&mut [0; 10]).await.unwrap();
    drop(upstream);
    // The relay forwards the upstream's EOF; a client that still writes gets an error.
    let talk = async {
        while client.io.write_all(&[0; 512]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), talk)
        .await
        .expect("the client is still connected");
    let failed = relaying.await.unwrap().unwrap_err();
    assert_eq!((failed.side, failed.relayed.b_to_a), (Side::B, 10));
    // A close that lingers ends in a task of its own.
    rig.inflight(0).await;
}

/// A silent half-closed relay ends at the idle timeout.
pub async fn half_closed_relay_ends_as_idle<H: Harness>(harness: &H) {
    let tune = |l: &mut Limits| deadlines(l, |d| d.idle = IDLE);
    let Joined {
        rig,
        mut client,
        mut upstream,
        relaying,
        ..
    } = join(harness, tune).await;
    client.io.shutdown().await.unwrap();
    assert_eq!(upstream.io.read(&mut [0; 8]).await.unwrap(), 0);
    // Bytes in the other direction keep the relay alive: each pause is below the idle timeout,
    // their sum is above.
    for _ in 0..3 {
        tokio::time::sleep(IDLE / 2).await;
        upstream.io.write_all(b"x").await.unwrap();
        upstream.io.flush().await.unwrap();
        client.io.read_exact(&mut [0; 1]).await.unwrap();
    }
    let watch = Watch::start();
    let failed = relaying.await.unwrap().unwrap_err();
    let (relayed, error) = (failed.relayed, failed.error);
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Idle }),
        "{error:?}"
    );
    // The last byte was forwarded shortly before the watch started.
    assert!(watch.elapsed() + SHORT >= IDLE && watch.elapsed() <= IDLE * 10);
    assert_eq!((relayed.a_to_b, relayed.b_to_a), (0, 3));
    rig.inflight(0).await;
    assert!(rig.recorder.closes(CloseReason::Idle) >= 1);
}

/// An echo returns all bytes, also after the peer's half-close.
///
/// With and without amnesia.
pub async fn echo_returns_all_bytes<H: Harness>(harness: &H) {
    for amnesia in [false, true] {
        everything(harness, amnesia).await;
    }
}

async fn everything<H: Harness>(harness: &H, amnesia: bool) {
    const BYTES: usize = 400_003;
    let mut rig = Rig::new(harness, |l| {
        l.set_amnesia(amnesia);
    })
    .await;
    let (ours, peer) = rig.connect().await;
    let echoing = tokio::spawn(echo(ours.io));
    let (mut read, mut write) = tokio::io::split(peer.io);
    let sent = pattern(BYTES);
    let mut got = Vec::new();
    let (_, ()) = tokio::join!(async { read.read_to_end(&mut got).await.unwrap() }, async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    });
    assert!(got == sent, "{} of {BYTES} bytes came back", got.len());
    let echoed = echoing.await.unwrap();
    assert_eq!(echoed.unwrap(), BYTES as u64);
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
}

/// An early answer arrives whole although the upload is refused.
pub async fn relay_answer_survives_refused_upload<H: Harness>(harness: &H) {
    let Joined {
        rig,
        client,
        mut upstream,
        relaying,
        ..
    } = join(harness, |_| {}).await;
    let reply = pattern(20_000);
    let (mut read, mut write) = tokio::io::split(client.io);
    let uploading = tokio::spawn(async move {
        let _ = write.write_all(&vec![7; 1 << 20]).await;
        write
    });
    upstream.io.read_exact(&mut [0; 4]).await.unwrap();
    upstream.io.write_all(&reply).await.unwrap();
    upstream.io.shutdown().await.unwrap();
    drop(upstream);
    let write = uploading.await.unwrap();
    let mut got = Vec::new();
    read.read_to_end(&mut got).await.unwrap();
    assert!(got == reply, "{} bytes of the reply arrived", got.len());
    let _ = relaying.await.unwrap();
    drop((read, write));
    rig.inflight(0).await;
}

/// A reset of one leg aborts the other, which counts as `peer_failed`.
pub async fn relay_reset_aborts_other_leg<H: Harness>(harness: &H) {
    let Joined {
        rig,
        mut client,
        mut upstream,
        relaying,
        ..
    } = join(harness, |_| {}).await;
    upstream.io.write_all(&pattern(1000)).await.unwrap();
    upstream.io.flush().await.unwrap();
    client.io.read_exact(&mut [0; 1000]).await.unwrap();
    upstream.io.abort();
    drop(upstream);
    if !H::SIGNALS_ABORT {
        drop(client);
        let _ = relaying.await.unwrap();
        return;
    }
    client.io.read(&mut [0; 16]).await.unwrap_err();
    let failed = relaying.await.unwrap().unwrap_err();
    assert_eq!(failed.side, Side::B, "{failed}");
    assert_eq!(rig.recorder.closes(CloseReason::PeerFailed), 1);
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 0);
}

/// Bytes on one leg keep both alive: they share one activity clock.
pub async fn relay_legs_idle_together<H: Harness>(harness: &H) {
    let Joined {
        rig,
        client,
        upstream,
        relaying,
        ..
    } = join(harness, |l| deadlines(l, |d| d.idle = IDLE)).await;
    let watch = Watch::start();
    relaying.await.unwrap().unwrap_err();
    watch.assert_took(IDLE);
    assert_eq!(rig.recorder.closes(CloseReason::Idle), 2);
    drop((client, upstream));
    rig.inflight(0).await;
}
