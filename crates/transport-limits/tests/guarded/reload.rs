//! Changes of limits with open connections.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, Instant};
use transport_core::{Backend, Dialer, Direction, Observer, Op, Reason, TransportError};
use transport_limits::{framed, Guard, Limiter, Limits};
use transport_testkit::MemoryListener;

use crate::harness::{anywhere, assert_took, chunk_in, deadlines, rates, Ours, Peer, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);

/// Returns a connection whose second chunk is parked for 4 s.
async fn parked() -> (Rig, tokio::task::JoinHandle<(Duration, Ours)>) {
    let mut rig = Rig::new(|l| {
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
    let start = Instant::now();
    let reading = tokio::spawn(async move {
        ours.io.read_exact(&mut [0; 2 * CHUNK]).await.unwrap();
        drop(peer);
        (start.elapsed(), ours)
    });
    sleep(SECOND).await;
    (rig, reading)
}

#[tokio::test(start_paused = true)]
async fn faster_rate_wakes_parked_read() {
    let (mut rig, reading) = parked().await;
    rig.apply(|l| rates(l, |r| r.per_conn = 10 << 20));
    assert_took(reading.await.unwrap().0, SECOND);
}

#[tokio::test(start_paused = true)]
async fn rate_turned_off_wakes_parked_read() {
    let (mut rig, reading) = parked().await;
    rig.apply(|l| rates(l, |r| r.per_conn = 0));
    assert_took(reading.await.unwrap().0, SECOND);
}

#[tokio::test(start_paused = true)]
async fn rate_moved_to_another_scope() {
    let (mut rig, reading) = parked().await;
    rig.apply(|l| {
        rates(l, |r| {
            r.global_ingress = r.per_conn;
            r.per_conn = 0;
        });
    });
    // The global bucket is full: its burst pays for the second chunk.
    assert_took(reading.await.unwrap().0, SECOND);
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(&[1; CHUNK]).await.unwrap();
    let start = Instant::now();
    ours.io.read_exact(&mut [0; CHUNK]).await.unwrap();
    assert_took(start.elapsed(), 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn refused_limits_change_nothing() {
    let (mut rig, reading) = parked().await;
    let before = rig.limits.clone();
    rates(&mut rig.limits, |r| r.per_conn = 1);
    let error = rig.limiter.apply(&rig.limits).unwrap_err();
    assert!(
        error.to_string().contains("rates.per_conn_bytes_per_sec"),
        "{error}"
    );
    rig.limits = before;
    assert_took(reading.await.unwrap().0, 4 * SECOND);
}

/// Changes the rate between parking and registering the waker.
struct Meddler {
    limiter: OnceLock<Limiter>,
    faster: Limits,
}

impl Observer for Meddler {
    fn bytes(&self, _: Backend, _: Direction, _: u64) {
        self.limiter.get().unwrap().apply(&self.faster).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn rate_change_while_parking_not_missed() {
    let mut slow = Limits::default();
    let rate = chunk_in(&mut slow, 4 * SECOND);
    rates(&mut slow, |r| r.per_conn = rate);
    let mut faster = slow.clone();
    rates(&mut faster, |r| r.per_conn = 10 << 20);
    let meddler = Arc::new(Meddler {
        limiter: OnceLock::new(),
        faster,
    });
    let limiter = Limiter::new(&slow, meddler.clone()).unwrap();
    meddler.limiter.set(limiter.clone()).unwrap();
    let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
    let mut guard = Guard::new(listener, &limiter);
    let mut peer = dialer.dial(&anywhere()).await.unwrap();
    let mut ours = guard.accept().await.establish().await.unwrap();
    peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
    // No earlier event may wake the read.
    sleep(SECOND).await;
    let start = Instant::now();
    ours.io.read_exact(&mut [0; 2 * CHUNK]).await.unwrap();
    assert_took(start.elapsed(), Duration::ZERO);
}

/// Returns a connection slower than its deadlines of 1 s.
///
/// A chunk takes 5 s at its rate.
///
/// New connections get longer deadlines; this one keeps its own.
async fn slower_than_its_deadlines() -> (Rig, Ours, Peer) {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        deadlines(l, |d| (d.read, d.write) = (SECOND, SECOND));
    });
    let (ours, peer) = rig.connect().await;
    rig.apply(|l| {
        deadlines(l, |d| (d.read, d.write) = (5 * SECOND, 5 * SECOND));
        let rate = chunk_in(l, 5 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    (rig, ours, peer)
}

/// An open connection keeps its deadlines. Waits for a rate do not count.
#[tokio::test(start_paused = true)]
async fn reads_outlast_slower_rate() {
    let (rig, mut ours, mut peer) = slower_than_its_deadlines().await;
    ours.io.control().expect_read(3 * CHUNK as u64);
    peer.io.write_all(&[1; 3 * CHUNK]).await.unwrap();
    let start = Instant::now();
    ours.io.read_exact(&mut [0; 3 * CHUNK]).await.unwrap();
    assert_took(start.elapsed(), 10 * SECOND);
    let rejected = rig.recorder.snapshot().all_rejected();
    assert_eq!(rejected, 1, "only the first throttle");
    // The read deadline still applies if the peer is late.
    sleep(5 * SECOND).await;
    ours.io.control().expect_read(1);
    let start = Instant::now();
    let error = TransportError::from(ours.io.read(&mut [0; CHUNK]).await.unwrap_err());
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Read }),
        "{error:?}"
    );
    assert_took(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn writes_outlast_slower_rate() {
    let (rig, mut ours, mut peer) = slower_than_its_deadlines().await;
    let mut got = [0; 3 * CHUNK];
    let start = Instant::now();
    let (written, read) = tokio::join!(
        ours.io.write_all(&[1; 3 * CHUNK]),
        peer.io.read_exact(&mut got)
    );
    written.unwrap();
    read.unwrap();
    assert_took(start.elapsed(), 10 * SECOND);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 1);
}

#[tokio::test(start_paused = true)]
async fn frames_outlast_slower_rate() {
    let (rig, ours, mut peer) = slower_than_its_deadlines().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    let body = vec![7; 3 * CHUNK];
    let mut wire = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    wire.extend(&body);
    peer.io.write_all(&wire).await.unwrap();
    let frame = frames.read_frame().await.unwrap().unwrap();
    assert_eq!(frame, body);
    sender.send(frame).await.unwrap();
    let mut echoed = vec![0; wire.len()];
    peer.io.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, wire);
    assert!(!control.is_ended());
    assert_eq!(rig.recorder.snapshot().all_rejected(), 1);
}

/// A connection with a large old chunk has the current burst.
///
/// Otherwise it would keep a shared bucket in such debt that no other connection got a token.
#[tokio::test(start_paused = true)]
async fn larger_old_chunk_starves_no_other() {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(256 << 10).unwrap();
    });
    let old = rig.connect().await;
    rig.apply(|l| {
        let rate = 4 * chunk_in(l, SECOND);
        rates(l, |r| r.global_ingress = rate);
    });
    let new = rig.connect().await;
    let controls = [&old, &new].map(|(ours, _)| ours.io.control());
    for (mut ours, mut peer) in [old, new] {
        tokio::spawn(async move { while peer.io.write_all(&[1; 16 << 10]).await.is_ok() {} });
        tokio::spawn(async move {
            let mut buf = vec![0; 256 << 10];
            while ours.io.read(&mut buf).await.is_ok() {}
        });
    }
    sleep(100 * SECOND).await;
    let [old, new] = controls.map(|control| control.bytes_in());
    assert!(new > 100 * CHUNK as u64, "{new} beside {old}");
    assert!(old > 100 * CHUNK as u64, "{old} beside {new}");
}

#[tokio::test(start_paused = true)]
async fn lower_cap_keeps_open_connections() {
    let mut rig = Rig::new(|_| {});
    let mut open = vec![rig.connect().await, rig.connect().await];
    rig.apply(|l| {
        l.set_max_conns(1).unwrap();
    });
    let (ours, peer) = &mut open[1];
    peer.io.write_all(b"still here").await.unwrap();
    ours.io.read_exact(&mut [0; 10]).await.unwrap();
    let _refused = rig.dialer.dial(&anywhere()).await.unwrap();
    tokio::select! {
        _ = rig.guard.accept() => panic!("over the cap"),
        () = rig.recorder.wait_for("a refusal", |s| s.rejected(Reason::ConnLimit) == 1) => {}
    }
    open.clear();
    rig.recorder
        .wait_for("both to end", |s| s.inflight() == 0)
        .await;
    rig.connect().await;
}
