//! Attacks by hostile peers, and operations that an embedder drops.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout, Instant};
use transport_core::{CloseReason, Dialer, Direction, Op, PeerAddr, Reason, TransportError};
use transport_limits::framed;

use crate::harness::{anywhere, assert_took, deadlines, rates, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);

/// Peers that send few bytes take no tokens of others.
#[tokio::test(start_paused = true)]
async fn silent_peers_take_no_share_of_rate() {
    const RATE: u64 = 1 << 20;
    let mut rig = Rig::new(|l| rates(l, |r| r.global_ingress = RATE));
    let mut crowd = Vec::new();
    for n in 0..100 {
        let (mut ours, mut peer) = rig.connect().await;
        crowd.push(tokio::spawn(async move {
            let mut byte = [0; 4096];
            while ours.io.read(&mut byte).await.is_ok_and(|read| read > 0) {}
        }));
        crowd.push(tokio::spawn(async move {
            // Half of them send a byte now and then.
            while n % 2 == 0 && peer.io.write_all(&[1]).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        }));
    }
    let (mut bulk, mut peer) = rig.connect().await;
    let control = bulk.io.control();
    let feed = tokio::spawn(async move { while peer.io.write_all(&[1; 4096]).await.is_ok() {} });
    let mut buf = vec![0; 64 << 10];
    let drain = async { while bulk.io.read(&mut buf).await.is_ok_and(|read| read > 0) {} };
    timeout(10 * SECOND, drain).await.unwrap_err();
    let moved = control.bytes_in();
    assert!(moved > RATE * 9, "only {moved} bytes in ten seconds");
    let silent = 50;
    let throttled = rig.recorder.rejected(Reason::RateLimited);
    assert!(
        throttled <= 101 - silent,
        "{throttled} counted as throttled"
    );
    feed.abort();
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Applying the same limits again refills no bucket.
#[tokio::test(start_paused = true)]
async fn repeated_apply_grants_no_tokens() {
    const RATE: u64 = 1 << 20;
    let mut rig = Rig::new(|l| rates(l, |r| r.global_ingress = RATE));
    let mut readers = Vec::new();
    for _ in 0..50 {
        let (mut ours, mut peer) = rig.connect().await;
        readers.push(tokio::spawn(async move {
            let mut buf = vec![0; 64 << 10];
            while ours.io.read(&mut buf).await.is_ok() {}
        }));
        readers.push(tokio::spawn(async move {
            while peer.io.write_all(&[1; 4096]).await.is_ok() {}
        }));
    }
    let total = |rig: &Rig| -> u64 {
        let open = rig.limiter.connections();
        open.iter().map(transport_limits::Control::bytes_in).sum()
    };
    sleep(SECOND).await;
    let before = total(&rig);
    for _ in 0..100 {
        rig.apply(|_| {});
        sleep(SECOND / 100).await;
    }
    let moved = total(&rig) - before;
    assert!(moved <= RATE + RATE / 4, "{moved} bytes in one second");
    readers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// An operation dropped while parked does not stop the idle clock.
#[tokio::test(start_paused = true)]
async fn read_dropped_while_parked_goes_idle() {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        rates(l, |r| r.per_conn = CHUNK as u64);
        deadlines(l, |d| d.idle = 3 * SECOND);
    });
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
    let mut buf = [0; 2 * CHUNK];
    let reading = ours.io.read_exact(&mut buf);
    timeout(SECOND / 2, reading).await.unwrap_err();
    let start = Instant::now();
    let ended = timeout(60 * SECOND, ours.io.control().ended())
        .await
        .unwrap();
    assert!(
        matches!(ended, TransportError::Timeout { op: Op::Idle }),
        "{ended:?}"
    );
    // Parked for another half second, then idle.
    assert_took(start.elapsed(), 3 * SECOND + SECOND / 2);
    assert!(!ours.io.control().is_idle() || ours.io.control().is_ended());
}

/// A sender alone does not keep its connection alive.
#[tokio::test(start_paused = true)]
async fn sender_without_reader_goes_idle() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.idle = 2 * SECOND));
    let (ours, peer) = rig.connect().await;
    let control = ours.io.control();
    let (frames, sender) = framed(ours.io, &control);
    drop((frames, peer));
    rig.recorder
        .wait_for("the connection to end", |s| s.inflight() == 0)
        .await;
    assert_eq!(rig.recorder.closes(CloseReason::Idle), 1);
    let error = sender.send(Bytes::from_static(b"late")).await.unwrap_err();
    assert_eq!(error.kind(), "closed");
    assert_eq!(rig.limiter.open(), 0);
}

/// A connection established after `close` is cancelled at once.
#[tokio::test]
async fn connection_after_close_cancelled() {
    let mut rig = Rig::new(|_| {});
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    let late = rig.guard.accept().await;
    rig.limiter.close();
    let mut ours = late.establish().await.unwrap();
    assert!(ours.io.control().is_ended());
    let error = ours.io.read(&mut [0]).await.unwrap_err();
    assert_eq!(TransportError::find(&error).unwrap().kind(), "cancelled");
    drop(ours);
    assert_eq!((rig.limiter.open(), rig.recorder.inflight()), (0, 0));
}

/// A peer over its accept rate takes no global token. The reverse holds too.
#[tokio::test(start_paused = true)]
async fn refusal_costs_other_peers_no_token() {
    let mut rig = Rig::new(|l| {
        l.set_accept_rates(4, 1).unwrap();
    });
    let mut held = Vec::new();
    let dial = |n| rig.dialer.clone().from_peer(PeerAddr::Uid(n));
    // One connection of the first peer is admitted and nine are not; three of others are.
    for n in [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4] {
        held.push(dial(n).dial(&anywhere()).await.unwrap());
    }
    for _ in 0..4 {
        drop(timeout(SECOND, rig.guard.accept()).await.unwrap());
    }
    assert_eq!(rig.recorder.rejected(Reason::RateLimited), 9);
    assert_eq!(
        rig.recorder
            .bytes(transport_core::Backend::Tcp, Direction::In),
        0
    );
}
