//! Deadlines: idle, handshake, dial, owed bytes, writes, lifetime.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport_core::{CloseReason, Op, Reason, TransportError};
use transport_limits::Guard;

use super::rig::{limiter, ping, Rig};
use super::waits::{deadlines, Watch, IDLE, SHORT};
use crate::{Harness, Recorder};

/// Asserts that an I/O error is this deadline's.
fn assert_timeout(error: std::io::Error, wanted: Op) {
    match TransportError::from(error) {
        TransportError::Timeout { op } if op == wanted => {}
        other => panic!("expected a {wanted} timeout, got {other:?}"),
    }
}

/// A silent peer ends at the idle timeout, without a reject.
pub async fn silent_peer_ends_as_idle<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.idle = IDLE)).await;
    let (mut ours, peer) = rig.connect().await;
    let watch = Watch::start();
    // The idle clock began when the connection was established, shortly before the watch.
    let began = ours.io.control().age();
    let error = ours.io.read(&mut [0; 16]).await.unwrap_err();
    assert_timeout(error, Op::Idle);
    assert!(watch.elapsed() + began >= IDLE && watch.elapsed() <= IDLE * 10);
    drop((ours, peer));
    assert_eq!(rig.recorder.closes(CloseReason::Idle), 1);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

/// The idle timeout applies where the embedder polls only `ended`.
pub async fn unpolled_connection_ends_as_idle<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.idle = IDLE)).await;
    let (ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let (watch, began) = (Watch::start(), control.age());
    let error = control.ended().await;
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Idle }),
        "{error:?}"
    );
    assert!(watch.elapsed() + began >= IDLE && watch.elapsed() <= IDLE * 10);
    drop(ours);
    assert_eq!(rig.recorder.closes(CloseReason::Idle), 1);
}

/// A peer without handshake is dropped and counted at the deadline.
pub async fn stalled_handshake_times_out<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.handshake = SHORT)).await;
    let watch = Watch::start();
    let Some(_held) = harness.stall(&rig.dialer, &rig.target).await else {
        return;
    };
    let error = rig.next().await.unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::Timeout {
                op: Op::Handshake | Op::ProxyHeader
            }
        ),
        "{error:?}"
    );
    watch.assert_took(SHORT);
    rig.inflight(0).await;
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
    assert_eq!(
        rig.recorder.snapshot().all_closes(),
        0,
        "the connection was never established"
    );
    assert_eq!(rig.limiter.admitted(), 0);
}

/// While one peer stalls, the next one is served.
pub async fn stalled_handshake_delays_no_other<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let Some(_held) = harness.stall(&rig.dialer, &rig.target).await else {
        return;
    };
    rig.inflight(1).await;
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    assert_eq!(rig.recorder.inflight(), 2);
}

/// The dial deadline covers the whole dial.
pub async fn endless_dial_times_out<H: Harness>(harness: &H) {
    let Some((dialer, target, _held)) = harness.deaf().await else {
        return;
    };
    let recorder = Recorder::new();
    let limiter = limiter(&recorder, |l| deadlines(l, |d| d.dial = SHORT));
    let watch = Watch::start();
    let error = Guard::new(dialer, &limiter)
        .dial(&target)
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Dial }),
        "{error:?}"
    );
    watch.assert_took(SHORT);
    assert_eq!(recorder.rejected(Reason::Timeout), 1);
    assert_eq!(recorder.snapshot().dials(false), 1);
    assert_eq!(recorder.inflight(), 0);
}

/// Owed bytes that do not arrive end the connection.
pub async fn owed_bytes_time_out<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.read = SHORT)).await;
    let (mut ours, mut peer) = rig.connect().await;
    let watch = Watch::start();
    ours.io.control().expect_read(10);
    peer.io.write_all(b"five!").await.unwrap();
    peer.io.flush().await.unwrap();
    let error = ours.io.read_exact(&mut [0; 10]).await.unwrap_err();
    assert_timeout(error, Op::Read);
    watch.assert_took(SHORT);
    drop(ours);
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
    assert_eq!(rig.recorder.closes(CloseReason::Timeout), 1);
}

/// A waiting read gets the deadline of bytes declared owed later.
pub async fn waiting_read_gets_deadline_for_owed_bytes<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.read = SHORT)).await;
    let (mut ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let reading = tokio::spawn(async move { ours.io.read(&mut [0; 10]).await });
    tokio::time::sleep(SHORT / 4).await;
    let watch = Watch::start();
    control.expect_read(10);
    assert_timeout(reading.await.unwrap().unwrap_err(), Op::Read);
    watch.assert_took(SHORT);
}

/// The deadline ends once owed bytes have arrived, or are waived.
pub async fn received_bytes_clear_deadline<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.read = SHORT)).await;
    let (mut ours, mut peer) = rig.connect().await;
    ours.io.control().expect_read(4);
    ping(&mut ours.io, &mut peer.io).await;
    let waited = timeout(SHORT * 3, ours.io.read(&mut [0; 4])).await;
    assert!(
        waited.is_err(),
        "a read without owed bytes ended: {waited:?}"
    );
    ours.io.control().expect_read(4);
    ours.io.control().expect_read(0);
    let waited = timeout(SHORT * 3, ours.io.read(&mut [0; 4])).await;
    assert!(
        waited.is_err(),
        "a read without owed bytes ended: {waited:?}"
    );
    ping(&mut ours.io, &mut peer.io).await;
}

/// An unacknowledged write ends at the write deadline.
pub async fn peer_without_reads_times_out<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.write = SHORT)).await;
    let (mut ours, _peer) = rig.connect().await;
    let chunk = vec![7; 64 << 10];
    let watch = Watch::start();
    let error = loop {
        if let Err(error) = ours.io.write_all(&chunk).await {
            break error;
        }
    };
    assert_timeout(error, Op::Write);
    watch.assert_took(SHORT);
    drop(ours);
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
    assert_eq!(rig.recorder.closes(CloseReason::Timeout), 1);
}

/// Traffic does not prolong the lifetime.
pub async fn busy_connection_reaches_lifetime<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.lifetime = SHORT * 2)).await;
    let (mut ours, mut peer) = rig.connect().await;
    let (watch, began) = (Watch::start(), ours.io.control().age());
    let flood = tokio::spawn(async move { while peer.io.write_all(&[1; 4096]).await.is_ok() {} });
    let mut buf = vec![0; 16 << 10];
    let error = loop {
        match ours.io.read(&mut buf).await {
            Ok(0) => panic!("the peer is still sending"),
            // The in-memory flood would never let a paused clock advance.
            Ok(_) => tokio::time::sleep(SHORT / 50).await,
            Err(error) => break error,
        }
    };
    assert_timeout(error, Op::Lifetime);
    // Each connection draws its lifetime between 90 % and 100 %.
    assert!(watch.elapsed() + began >= SHORT * 9 / 5 && watch.elapsed() <= SHORT * 20);
    drop(ours);
    flood.await.unwrap();
    assert_eq!(rig.recorder.closes(CloseReason::Lifetime), 1);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}
