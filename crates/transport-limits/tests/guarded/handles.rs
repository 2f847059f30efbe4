//! Handles of connections: age, end, idleness, snapshots, and the events of dials.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use transport_core::{Backend, Dialer, PeerAddr, TransportError};
use transport_limits::{framed, Guard};
use transport_testkit::{Handshake, MemoryListener};

use crate::events::Log;
use crate::harness::{anywhere, ping, rates, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn handle_reports_age_and_end() {
    let mut rig = Rig::new(|_| {});
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    assert_eq!(control.age(), Duration::ZERO);
    assert!(!control.is_ended() && control.is_accepted());
    sleep(3 * SECOND / 2).await;
    assert_eq!(control.age(), 3 * SECOND / 2);
    ping(&mut ours.io, &mut peer.io).await;
    assert_eq!((control.bytes_in(), control.bytes_out()), (4, 4));
    assert!(!control.is_ended());
    control.cancel();
    assert!(control.is_ended() && !control.is_drained());
    assert_eq!(
        rig.limiter.connections_after(0, 10),
        [],
        "it is no longer open"
    );
}

#[tokio::test(start_paused = true)]
async fn snapshot_reports_open_connection() {
    let mut rig = Rig::new(|_| {});
    let first = rig.connect().await;
    let (mut ours, mut peer) = rig.connect().await;
    sleep(SECOND).await;
    ping(&mut ours.io, &mut peer.io).await;
    sleep(2 * SECOND).await;
    let all = rig.limiter.connections_after(0, 10);
    let ids: Vec<_> = all.iter().map(|one| one.id).collect();
    assert_eq!(ids, [first.0.info.id, ours.info.id]);
    assert_eq!(rig.limiter.connections_after(ids[0], 10), all[1..]);
    assert_eq!(rig.limiter.connections_after(0, 1), all[..1]);
    let one = &all[1];
    assert_eq!((one.age, one.idle), (3 * SECOND, 2 * SECOND));
    assert_eq!((one.bytes_in, one.bytes_out), (4, 4));
    assert_eq!((one.backend, one.accepted), (Backend::Tcp, true));
    assert_eq!(
        one.peer,
        Some(PeerAddr::Ip(([127, 0, 0, 1], 40_000).into()))
    );
    assert!(!one.throttled);
    let found = rig.limiter.connection(one.id).unwrap();
    assert_eq!(found.snapshot(), *one);
    assert!(rig.limiter.connection(one.id + 1).is_none());
}

/// A parked read keeps a connection from ending in a drain.
#[tokio::test(start_paused = true)]
async fn parked_connection_is_not_idle() {
    let mut rig = Rig::new(|limits| {
        limits.set_chunk_bytes(CHUNK as u64).unwrap();
        rates(limits, |rates| rates.per_conn = CHUNK as u64);
    });
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    sleep(2 * SECOND).await;
    assert!(control.is_idle(), "no byte has moved");
    ours.io.write_all(b"hello").await.unwrap();
    sleep(2 * SECOND).await;
    assert!(control.is_idle(), "the last byte was ours");
    peer.io.write_all(&vec![0; 4 * CHUNK]).await.unwrap();
    let mut buf = vec![0; 4 * CHUNK];
    let reading = ours.io.read_exact(&mut buf);
    tokio::select! {
        _ = reading => panic!("faster than the rate"),
        () = sleep(SECOND / 2) => {}
    }
    assert!(control.is_throttled() && control.snapshot().throttled);
    sleep(2 * SECOND).await;
    assert!(!control.is_idle() && !control.close_if_idle());
    drop(ours);
    assert!(control.is_ended(), "the stream is gone");
}

#[tokio::test(start_paused = true)]
async fn successful_dial_is_logged() {
    let (log, _guard) = Log::capture();
    let rig = Rig::new(|_| {});
    let dialer = Guard::new(rig.dialer.clone(), &rig.limiter);
    let connection = dialer.dial(&anywhere()).await.unwrap();
    let line = &log.lines("event=dial")[0];
    let id = format!("conn_id={} ", connection.info.id);
    for part in ["backend=tcp", "to=memory:1", "duration_ms=0", &id] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!connection.io.control().is_accepted());
}

#[tokio::test(start_paused = true)]
async fn failed_dials_are_sampled_with_reason() {
    let (log, _guard) = Log::capture();
    let rig = Rig::new(|_| {});
    let (listener, refused) = MemoryListener::bind(Backend::Tcp);
    drop(listener);
    let refused = Guard::new(refused, &rig.limiter);
    for _ in 0..3 {
        let error = refused.dial(&anywhere()).await.unwrap_err();
        assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    }
    sleep(SECOND).await;
    let slow = rig.dialer.clone().dial_side(Handshake::Never);
    let slow = Guard::new(slow, &rig.limiter);
    slow.dial_within(&anywhere(), SECOND / 4).await.unwrap_err();
    let lines = log.lines("event=dial");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, parts) in lines.iter().zip([
        ["reason=connect", "not_logged=0", "duration_ms=0"],
        ["reason=timeout", "not_logged=2", "duration_ms=25"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    assert_eq!(rig.recorder.snapshot().dials(false), 4);
}

#[tokio::test(start_paused = true)]
async fn corr_id_is_cut_at_a_character() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    control.set_corr_id(&format!("{}é", "x".repeat(127)));
    control.set_corr_id("later");
    drop(ours);
    let line = &log.lines("event=close")[0];
    assert!(
        line.contains(&format!("corr_id={} ", "x".repeat(127))),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn framed_connection_idle_between_frames() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    peer.io.write_all(&[0, 0, 0, 1, 7]).await.unwrap();
    assert_eq!(frames.read_frame().await.unwrap().unwrap()[..], [7]);
    assert!(!control.is_idle(), "an answer is owed");
    sender.send(vec![8].into()).await.unwrap();
    let mut answer = [0; 5];
    peer.io.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0, 0, 0, 1, 8]);
    assert!(control.is_idle() && control.close_if_idle());
    assert!(control.is_ended() && control.is_drained());
}

#[tokio::test(start_paused = true)]
async fn handle_is_over_after_both_ends() {
    let mut rig = Rig::new(|_| {});
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    peer.io.shutdown().await.unwrap();
    assert_eq!(ours.io.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(!control.is_over(), "this side may still write");
    ours.io.shutdown().await.unwrap();
    assert!(control.is_over());
}

#[tokio::test(start_paused = true)]
async fn id_is_known_before_the_handshake() {
    let mut rig = Rig::new(|_| {});
    let _peers = [
        rig.dialer.dial(&anywhere()).await.unwrap(),
        rig.dialer.dial(&anywhere()).await.unwrap(),
    ];
    let admitted = [rig.guard.accept().await, rig.guard.accept().await];
    let ids = admitted.each_ref().map(transport_limits::Admitted::id);
    assert_ne!(ids[0], ids[1]);
    for (one, id) in admitted.into_iter().zip(ids) {
        assert!(one.may_wait(), "a stream in memory can have a handshake");
        assert_eq!(one.establish().await.unwrap().info.id, id);
    }
}

#[tokio::test(start_paused = true)]
async fn limiter_reports_overload() {
    let rig = Rig::new(|_| {});
    for overloaded in [true, false] {
        rig.limiter.set_overloaded(overloaded);
        assert_eq!(rig.limiter.is_overloaded(), overloaded);
    }
}
