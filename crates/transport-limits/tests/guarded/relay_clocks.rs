//! Clocks of relays, and of half-closed and throttled connections.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, Instant};
use transport_core::{Backend, Listener, Op, Pending, TransportError};
use transport_limits::{relay, Control, Guard};
use transport_testkit::MemoryListener;

use crate::harness::{anywhere, assert_took, chunk_in, deadlines, rates, Ours, Peer, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);

/// Returns both legs of a future relay, and their peers.
async fn legs(rig: &mut Rig) -> ((Ours, Peer), (Ours, Peer)) {
    let (mut upstream, dialer) = MemoryListener::bind(Backend::Tcp);
    let dialer = Guard::new(dialer, &rig.limiter);
    let client = rig.connect().await;
    let target = anywhere();
    let (dialed, accepted) = tokio::join!(dialer.dial(&target), upstream.accept());
    let server = accepted.unwrap().establish().await.unwrap();
    (client, (dialed.unwrap(), server))
}

fn is_idle_timeout(error: &TransportError) -> bool {
    matches!(error, TransportError::Timeout { op: Op::Idle })
}

/// The work of one leg is the work of the relay.
#[tokio::test(start_paused = true)]
async fn busy_leg_keeps_other_leg() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.idle = 2 * SECOND));
    let ((client, client_peer), (dialed, server)) = legs(&mut rig).await;
    let controls = [client.io.control(), dialed.io.control()];
    let relaying = tokio::spawn(relay(client.io, dialed.io));
    sleep(SECOND).await;
    assert!(controls.iter().all(Control::is_idle));
    for (at, other) in [(0, 1), (1, 0)] {
        let busy = controls[at].busy();
        sleep(10 * SECOND).await;
        assert!(!controls[other].is_idle(), "both are idle or neither");
        assert!(controls[other].idle_since().is_none());
        drop(busy);
    }
    let start = Instant::now();
    let failed = relaying.await.unwrap().unwrap_err();
    assert!(is_idle_timeout(&failed.error), "{failed:?}");
    assert_took(start.elapsed(), 2 * SECOND);
    drop((client_peer, server));
}

/// A watcher of one leg enforces the deadlines of both.
#[tokio::test(start_paused = true)]
async fn watcher_ends_unpolled_other_leg() {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| {
            (d.idle, d.dial_idle) = (60 * SECOND, Some(2 * SECOND));
        });
    });
    let ((client, _client_peer), (dialed, _server)) = legs(&mut rig).await;
    let (watched, other) = (client.io.control(), dialed.io.control());
    let start = Instant::now();
    let mut relaying = Box::pin(relay(client.io, dialed.io));
    // The first poll joins the legs.
    std::future::poll_fn(|cx| {
        assert!(relaying.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    let watching = tokio::spawn(async move { watched.ended().await });
    while !other.is_ended() {
        sleep(SECOND / 10).await;
        assert!(start.elapsed() < 5 * SECOND);
    }
    assert!(start.elapsed() >= 2 * SECOND);
    relaying.await.unwrap_err();
    watching.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn half_close_timeout_wakes_waiting_read() {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| (d.idle, d.half_close) = (Duration::ZERO, 3 * SECOND));
    });
    let (ours, mut peer) = rig.connect().await;
    let (mut reader, mut writer) = tokio::io::split(ours.io);
    let reading = tokio::spawn(async move { reader.read_u8().await });
    sleep(10 * SECOND).await;
    assert!(!reading.is_finished(), "no timeout applies");
    let start = Instant::now();
    writer.shutdown().await.unwrap();
    let error = TransportError::from(reading.await.unwrap().unwrap_err());
    let op = matches!(error, TransportError::Timeout { op: Op::HalfClose });
    assert!(op, "{error:?}");
    assert_took(start.elapsed(), 3 * SECOND);
    assert_eq!(peer.io.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn equal_timeouts_end_as_idle() {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| (d.idle, d.half_close) = (3 * SECOND, 3 * SECOND));
    });
    let (mut ours, _peer) = rig.connect().await;
    ours.io.shutdown().await.unwrap();
    let error = TransportError::from(ours.io.read_u8().await.unwrap_err());
    assert!(is_idle_timeout(&error), "{error:?}");
}

/// Connections that were opened together do not end together.
#[tokio::test(start_paused = true)]
async fn lifetimes_are_spread() {
    const CONNS: usize = 16;
    let life = 1000 * SECOND;
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| (d.idle, d.lifetime) = (Duration::ZERO, life));
    });
    let mut open = Vec::new();
    for _ in 0..CONNS {
        open.push(rig.connect().await);
    }
    let start = Instant::now();
    let mut ends = Vec::new();
    for (ours, _) in &open {
        let control = ours.io.control();
        ends.push(tokio::spawn(async move {
            control.ended().await;
            start.elapsed()
        }));
    }
    let mut lifetimes = Vec::new();
    for end in ends {
        lifetimes.push(end.await.unwrap());
    }
    let (least, most) = (lifetimes.iter().min(), lifetimes.iter().max());
    let spread = *most.unwrap() - *least.unwrap();
    assert!(spread > life / 50, "{lifetimes:?}");
    assert!(*least.unwrap() >= life * 9 / 10 && *most.unwrap() <= life + SECOND);
}

/// The clock runs again once the rate is off.
#[tokio::test(start_paused = true)]
async fn ended_wait_starts_idle_clock() {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| {
            (d.read, d.write, d.idle) = (100 * SECOND, 100 * SECOND, 5 * SECOND);
        });
        let rate = chunk_in(l, 100 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
    let reading = tokio::spawn(async move {
        ours.io.read_exact(&mut [0; 2 * CHUNK]).await.unwrap();
        let start = Instant::now();
        let error = TransportError::from(ours.io.read_u8().await.unwrap_err());
        (start.elapsed(), error)
    });
    sleep(10 * SECOND).await;
    assert!(control.is_throttled());
    rig.apply(|l| rates(l, |r| r.per_conn = 0));
    sleep(SECOND / 10).await;
    assert!(!control.is_throttled(), "the read goes on");
    let (took, error) = reading.await.unwrap();
    assert!(is_idle_timeout(&error), "{error:?}");
    assert_took(took, 5 * SECOND);
}

/// Waits for a rate do not shorten the deadline of owed bytes.
#[tokio::test(start_paused = true)]
async fn owed_bytes_due_after_throttle() {
    for (late, in_time) in [(SECOND / 2, true), (3 * SECOND / 2, false)] {
        let mut rig = Rig::new(|l| {
            l.set_chunk_bytes(CHUNK as u64).unwrap();
            deadlines(l, |d| (d.read, d.write) = (SECOND, SECOND));
        });
        let (mut ours, mut peer) = rig.connect().await;
        rig.apply(|l| {
            deadlines(l, |d| (d.read, d.write) = (5 * SECOND, 5 * SECOND));
            let rate = chunk_in(l, 5 * SECOND);
            rates(l, |r| r.per_conn = rate);
        });
        ours.io.control().expect_read(2 * CHUNK as u64);
        peer.io.write_all(&[1; CHUNK]).await.unwrap();
        let reading =
            tokio::spawn(async move { ours.io.read_exact(&mut [0; 2 * CHUNK]).await.map(|_| ()) });
        sleep(5 * SECOND + late).await;
        let _ = peer.io.write_all(&[1; CHUNK]).await;
        let read = reading.await.unwrap();
        assert_eq!(read.is_ok(), in_time, "{read:?}");
    }
}
