//! Upgrades of an open connection: place, counts, deadlines, ends.

use std::io::ErrorKind::ConnectionReset;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, Instant};
use transport_core::{CloseReason, Connection, Io, Op, Plain, Queue, Reason, TransportError};
use transport_limits::{framed, Guard, GuardedIo, UpgradeIo};
use transport_testkit::{MemoryIo, Snapshot};

use crate::harness::{anywhere, assert_took, deadlines, ping, Ours, Peer, Rig};

const SECOND: Duration = Duration::from_secs(1);

type Upgraded = Connection<GuardedIo<UpgradeIo<MemoryIo>>>;

/// A handshake: the peer sends `?` and gets `!`.
async fn answer<I: Io>(mut raw: Connection<I>) -> Result<Connection<I>, TransportError> {
    let hello = raw.io.read_u8().await?;
    assert_eq!(hello, b'?');
    raw.io.write_all(b"!").await?;
    let (io, info) = raw.into_parts();
    let mut info = (*info).clone();
    info.alpn = Some(b"upgraded"[..].into());
    Ok(Connection::new(io, info))
}

async fn upgrade(ours: Ours) -> Result<Upgraded, TransportError> {
    ours.io.upgrade(|raw, _| answer(raw)).await
}

async fn upgraded(ours: Ours, peer: &mut Peer) -> Upgraded {
    peer.io.write_all(b"?").await.unwrap();
    let upgraded = upgrade(ours).await.unwrap();
    assert_eq!(peer.io.read_u8().await.unwrap(), b'!');
    upgraded
}

async fn is_reset(peer: &mut Peer) -> bool {
    let read = peer.io.read(&mut [0; 1]).await;
    read.is_err_and(|error| error.kind() == ConnectionReset)
}

#[tokio::test]
async fn upgrade_keeps_place_handle_and_counts() {
    let mut rig = Rig::new(|_| {});
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    ping(&mut ours.io, &mut peer.io).await;
    let mut ours = upgraded(ours, &mut peer).await;
    ping(&mut ours.io, &mut peer.io).await;
    assert_eq!(ours.info.id, control.id());
    assert_eq!(ours.info.backend, control.info().backend);
    assert_eq!(control.info().alpn.as_deref(), Some(&b"upgraded"[..]));
    assert_eq!((control.bytes_in(), control.bytes_out()), (8, 8));
    let taken = rig.recorder.snapshot();
    assert_eq!((taken.inflight(), taken.all_closes()), (1, 0));
    drop(ours);
    assert_eq!(peer.io.read(&mut [0; 1]).await.unwrap(), 0);
    drop(peer);
    let is_closed = |s: &Snapshot| s.inflight() == 0;
    rig.recorder.wait_for("the close", is_closed).await;
    let taken = rig.recorder.snapshot();
    assert_eq!(taken.closes(CloseReason::Eof), 1);
    assert_eq!((taken.all_closes(), taken.all_rejected()), (1, 0));
}

#[tokio::test]
async fn cancel_closes_unpolled_upgraded_stream() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let ours = upgraded(ours, &mut peer).await;
    control.cancel();
    assert!(is_reset(&mut peer).await);
    let taken = rig.recorder.snapshot();
    assert_eq!((taken.inflight(), taken.all_closes()), (0, 1));
    assert_eq!(taken.closes(CloseReason::Cancelled), 1);
    drop(ours);
    assert_eq!(rig.recorder.snapshot().all_closes(), 1);
}

#[tokio::test(start_paused = true)]
async fn handshake_deadline_aborts_upgrade() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.handshake = 2 * SECOND));
    let (ours, mut peer) = rig.connect().await;
    let start = Instant::now();
    let error = upgrade(ours).await.unwrap_err();
    let timeout = matches!(error, TransportError::Timeout { op: Op::Handshake });
    assert!(timeout, "{error:?}");
    assert_took(start.elapsed(), 2 * SECOND);
    assert!(is_reset(&mut peer).await);
    let taken = rig.recorder.snapshot();
    assert_eq!(
        (taken.rejected(Reason::Timeout), taken.all_rejected()),
        (1, 1)
    );
    assert_eq!(
        (taken.closes(CloseReason::Timeout), taken.all_closes()),
        (1, 1)
    );
    assert_eq!(taken.inflight(), 0);
}

#[tokio::test(start_paused = true)]
async fn cancel_and_drop_abort_pending_upgrade() {
    for drops in [false, true] {
        let mut rig = Rig::new(|_| {});
        let (ours, mut peer) = rig.connect().await;
        let control = ours.io.control();
        let task = tokio::spawn(upgrade(ours));
        sleep(SECOND).await;
        if drops {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        } else {
            control.cancel();
            let error = task.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), "cancelled");
        }
        assert!(is_reset(&mut peer).await);
        let taken = rig.recorder.snapshot();
        assert_eq!((taken.inflight(), taken.all_closes()), (0, 1));
        assert_eq!(taken.closes(CloseReason::Cancelled), 1);
        assert_eq!(taken.all_rejected(), 0);
        assert!(control.is_ended());
    }
}

#[tokio::test]
async fn failed_handshake_counts_once() {
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    let refused = TransportError::Tls {
        kind: transport_core::TlsErrorKind::Config,
        source: "refused".into(),
    };
    let failing = |_, _| async { Err::<Connection<MemoryIo>, _>(refused) };
    let error = ours.io.upgrade(failing).await.unwrap_err();
    assert_eq!(error.kind(), "tls");
    let taken = rig.recorder.snapshot();
    assert_eq!((taken.rejected(Reason::Tls), taken.all_rejected()), (1, 1));
    assert_eq!(
        (taken.closes(CloseReason::Error), taken.all_closes()),
        (1, 1)
    );
    assert_eq!(taken.inflight(), 0);
}

/// The handshake takes three idle timeouts; the idle clock then starts again.
#[tokio::test(start_paused = true)]
async fn idle_clock_stands_still_during_upgrade() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.idle = SECOND));
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let watch = tokio::spawn({
        let control = control.clone();
        async move { control.ended().await }
    });
    let task = tokio::spawn(upgrade(ours));
    sleep(3 * SECOND).await;
    assert!(!control.is_ended() && !control.is_idle());
    peer.io.write_all(b"?").await.unwrap();
    let _ours = task.await.unwrap().unwrap();
    let start = Instant::now();
    let error = watch.await.unwrap();
    assert!(matches!(error, TransportError::Timeout { op: Op::Idle }));
    assert_took(start.elapsed(), SECOND);
}

#[tokio::test]
async fn upgrade_refused_in_wrong_state() {
    let state = |result: Result<Upgraded, TransportError>, want: &str| match result.unwrap_err() {
        TransportError::State { what } => assert!(what.contains(want), "{what}"),
        other => panic!("{other:?}"),
    };
    let mut rig = Rig::new(|_| {});
    let (mut ours, peer) = rig.connect().await;
    drop(peer);
    assert_eq!(ours.io.read(&mut [0; 1]).await.unwrap(), 0);
    state(upgrade(ours).await, "one direction has ended");

    let (ours, mut peer) = rig.connect().await;
    let twice = upgraded(ours, &mut peer).await;
    let again = twice.io.upgrade(|raw, _| answer(raw)).await;
    let TransportError::State { what } = again.unwrap_err() else {
        panic!("no state error");
    };
    assert!(what.contains("upgraded before"), "{what}");

    let (ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, _sender) = framed(Plain(tokio::io::duplex(1).0), &control);
    state(upgrade(ours).await, "framed");
    let taken = rig.recorder.snapshot();
    assert_eq!((taken.all_closes(), taken.all_rejected()), (3, 0));
}

/// Plaintext behind the request to upgrade reaches the handshake, and nothing else.
#[tokio::test]
async fn unread_plaintext_belongs_to_handshake() {
    let mut rig = Rig::new(|_| {});
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(b"STARTTLS\r\n?RCPT").await.unwrap();
    let mut request = [0; 10];
    ours.io.read_exact(&mut request).await.unwrap();
    let handshake = |mut raw: Connection<UpgradeIo<MemoryIo>>, _| async move {
        let mut first = [0; 5];
        raw.io.read_exact(&mut first).await?;
        assert_eq!(&first, b"?RCPT");
        Ok(raw)
    };
    let ours = ours.io.upgrade(handshake).await.unwrap();
    assert_eq!(ours.io.control().bytes_in(), 10);
}

#[tokio::test(start_paused = true)]
async fn upgraded_stream_keeps_its_deadlines() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.read = 2 * SECOND));
    let (ours, mut peer) = rig.connect().await;
    let mut ours = upgraded(ours, &mut peer).await;
    ours.io.control().expect_read(10);
    let start = Instant::now();
    let error = ours.io.read(&mut [0; 1]).await.unwrap_err();
    let error = TransportError::from(error);
    assert!(matches!(error, TransportError::Timeout { op: Op::Read }));
    assert_took(start.elapsed(), 2 * SECOND);
    assert!(is_reset(&mut peer).await);
}

#[tokio::test(start_paused = true)]
async fn pending_handshakes_of_upgrades_capped() {
    let mut rig = Rig::new(|l| {
        l.set_max_pending_handshakes(2).unwrap();
    });
    let (third, mut third_peer) = rig.connect().await;
    let (mut conns, mut pending) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        conns.push(rig.connect().await);
    }
    for (ours, peer) in conns {
        pending.push((tokio::spawn(upgrade(ours)), peer));
    }
    sleep(SECOND).await;
    assert_eq!(rig.limiter.pending(), 2);
    let error = upgrade(third).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::HandshakeLimit));
    assert_eq!(
        third_peer.io.read(&mut [0; 1]).await.unwrap(),
        0,
        "in order"
    );
    let taken = rig.recorder.snapshot();
    assert_eq!(taken.rejected(Reason::HandshakeLimit), 1);
    assert_eq!(taken.queue_depth(Queue::PendingHandshakes), 2);
    let (task, mut peer) = pending.pop().unwrap();
    peer.io.write_all(b"?").await.unwrap();
    task.await.unwrap().unwrap();
    let (task, _peer) = pending.pop().unwrap();
    task.abort();
    task.await.unwrap_err();
    assert_eq!(rig.limiter.pending(), 0);
    let depth = rig.recorder.snapshot();
    assert_eq!(depth.queue_depth(Queue::PendingHandshakes), 0);
}

#[tokio::test]
async fn upgrade_of_dialed_connection_takes_no_place() {
    let mut rig = Rig::new(|l| {
        l.set_max_pending_handshakes(1).unwrap();
    });
    let dialer = Guard::new(rig.dialer.clone(), &rig.limiter);
    let dialed = dialer.dial(&anywhere()).await.unwrap();
    // Its handshake is pending.
    let accepted = rig.guard.accept().await;
    assert_eq!(rig.limiter.pending(), 1);
    let upgrading = dialed.io.upgrade(|raw, _| async move { Ok(raw) });
    upgrading.await.unwrap();
    drop(accepted);
}
