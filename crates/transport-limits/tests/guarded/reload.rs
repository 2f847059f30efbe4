//! Limits that change under open connections.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, Instant};
use transport_core::{Backend, Dialer, Direction, Observer, Reason, Scope, TransportError};
use transport_limits::{Guard, Limiter, Limits};
use transport_testkit::MemoryListener;

use crate::rig::{a_chunk_in, anywhere, assert_took, deadlines, rates, Ours, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);

/// A connection whose second chunk is parked for four seconds.
async fn parked() -> (Rig, tokio::task::JoinHandle<(Duration, Ours)>) {
    let mut rig = Rig::new(|l| {
        let rate = a_chunk_in(l, 4 * SECOND);
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
async fn a_faster_rate_wakes_who_is_parked() {
    let (mut rig, reading) = parked().await;
    rig.apply(|l| rates(l, |r| r.per_conn = 10 << 20));
    assert_took(reading.await.unwrap().0, SECOND);
}

#[tokio::test(start_paused = true)]
async fn switching_a_rate_off_wakes_who_is_parked() {
    let (mut rig, reading) = parked().await;
    rig.apply(|l| rates(l, |r| r.per_conn = 0));
    assert_took(reading.await.unwrap().0, SECOND);
}

#[tokio::test(start_paused = true)]
async fn another_scope_may_take_over() {
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
async fn what_is_refused_changes_nothing() {
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

/// Changes the rate at the worst moment: when a read has parked and has not yet said where it can
/// be woken.
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
async fn a_change_while_it_parks_is_not_missed() {
    let mut slow = Limits::default();
    let rate = a_chunk_in(&mut slow, 4 * SECOND);
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
    // Nothing from before may wake the read once more.
    sleep(SECOND).await;
    let start = Instant::now();
    ours.io.read_exact(&mut [0; 2 * CHUNK]).await.unwrap();
    assert_took(start.elapsed(), Duration::ZERO);
}

/// An open connection keeps its deadlines: a rate that no longer fits them refuses.
#[tokio::test(start_paused = true)]
async fn a_wait_past_the_deadline_is_refused() {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        deadlines(l, |d| d.read = SECOND);
    });
    let (mut ours, mut peer) = rig.connect().await;
    rig.apply(|l| {
        deadlines(l, |d| d.read = 5 * SECOND);
        let rate = a_chunk_in(l, 5 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
    ours.io.read_exact(&mut [0; CHUNK]).await.unwrap();
    let start = Instant::now();
    for _ in 0..2 {
        let before = rig.recorder.rejected(Reason::RateLimited);
        let error = ours.io.read(&mut [0; CHUNK]).await.unwrap_err();
        let error = TransportError::from(error);
        assert!(
            matches!(error, TransportError::RateLimited { scope: Scope::Conn }),
            "{error:?}"
        );
        assert_eq!(
            rig.recorder.rejected(Reason::RateLimited),
            before + 1,
            "each refusal counts"
        );
    }
    assert_took(start.elapsed(), Duration::ZERO);
    // The connection goes on: later there are tokens again.
    sleep(5 * SECOND).await;
    ours.io.read_exact(&mut [0; CHUNK]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lower_cap_turns_nobody_out() {
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
        .wait_for("both to be gone", |s| s.inflight() == 0)
        .await;
    rig.connect().await;
}
