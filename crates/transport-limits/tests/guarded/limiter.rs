//! The limiter's own reports and decisions, as an embedder uses them.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::timeout;
use transport_core::{CloseReason, Op, Reason, TaskKind, TransportError};
use transport_limits::{framed, Decision};

use crate::harness::{Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn announced_drain_still_admits() {
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let limiter = rig.limiter.clone();
    let (early, of_conn) = (limiter.draining(), control.draining());
    tokio::pin!(early, of_conn);
    assert!(timeout(SECOND, early.as_mut()).await.is_err());
    assert!(timeout(SECOND, of_conn.as_mut()).await.is_err());
    rig.limiter.begin_drain();
    timeout(SECOND, early).await.unwrap();
    timeout(SECOND, of_conn).await.unwrap();
    let _more = rig.connect().await;
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

#[tokio::test(start_paused = true)]
async fn peers_are_counted_by_connections() {
    let mut rig = Rig::new(|_| {});
    let _open = [
        rig.connect().await,
        rig.connect().await,
        rig.connect().await,
    ];
    let counts = [0, 1, 3, 4].map(|conns| rig.limiter.peers_with_at_least(conns));
    assert_eq!(counts, [1, 1, 1, 0]);
    rig.dialer = rig
        .dialer
        .clone()
        .from_peer(transport_core::PeerAddr::Uid(7));
    let _other = rig.connect().await;
    let counts = [0, 1, 2, 4].map(|conns| rig.limiter.peers_with_at_least(conns));
    assert_eq!(counts, [2, 2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn settings_of_new_connections() {
    let mut rig = Rig::new(|limits| {
        limits.set_chunk_bytes(CHUNK as u64).unwrap();
    });
    assert_eq!(rig.limiter.chunk_bytes(), CHUNK);
    assert_eq!(rig.limiter.dial_timeout(), 10 * SECOND);
    rig.apply(|limits| {
        limits.set_chunk_bytes(2 * CHUNK as u64).unwrap();
    });
    assert_eq!(rig.limiter.chunk_bytes(), 2 * CHUNK);
}

#[tokio::test(start_paused = true)]
async fn charged_memory_is_announced() {
    const FRAME: usize = 1 << 20;
    let mut rig = Rig::new(|_| {});
    let limiter = rig.limiter.clone();
    let (used, freed) = (limiter.memory_used(), limiter.memory_freed());
    tokio::pin!(used, freed);
    assert!(timeout(SECOND, used.as_mut()).await.is_err());
    assert!(timeout(SECOND, freed.as_mut()).await.is_err());
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    tokio::spawn(async move {
        let len = u32::try_from(FRAME).unwrap().to_be_bytes();
        peer.io.write_all(&len).await.unwrap();
        peer.io.write_all(&vec![7; FRAME]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let frame = frames.read_frame().await.unwrap().unwrap();
    timeout(SECOND, used).await.unwrap();
    assert!(timeout(SECOND, freed.as_mut()).await.is_err());
    drop(frame);
    timeout(SECOND, freed).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reject_of_embedder_is_an_error() {
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    let error = TransportError::Refused {
        reason: Reason::Denied,
    };
    let control = ours.io.control();
    rig.limiter.reject(Reason::Denied, &control, &error);
    assert_eq!(rig.recorder.rejected(Reason::Denied), 1);
    assert!(!control.is_ended(), "the embedder ends it");
    drop(ours);
    assert_eq!(rig.recorder.closes(CloseReason::Error), 1);
}

/// The dial itself has counted a failure that has a reason.
#[tokio::test(start_paused = true)]
async fn failed_upstream_dial_counted_once() {
    let connect = || TransportError::Connect {
        target: "db.internal:5432".parse().unwrap(),
        source: io::ErrorKind::ConnectionRefused.into(),
    };
    for (error, upstream) in [
        (connect(), 1),
        (TransportError::Timeout { op: Op::Dial }, 0),
        (TransportError::Cancelled, 0),
    ] {
        let mut rig = Rig::new(|_| {});
        let (ours, _peer) = rig.connect().await;
        rig.limiter.dial_failed(&ours.io.control(), &error);
        let counted = rig.recorder.snapshot();
        assert_eq!(counted.rejected(Reason::Upstream), upstream, "{error}");
        assert_eq!(counted.all_rejected(), upstream, "{error}");
        drop(ours);
        assert_eq!(rig.recorder.closes(CloseReason::Error), 1, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn running_tasks_are_counted_and_awaited() {
    let rig = Rig::new(|_| {});
    let tasks = rig.limiter.tasks();
    assert_eq!(tasks.running(), 0);
    let (done, is_done) = oneshot::channel::<()>();
    tasks.spawn(TaskKind::Serve, async {
        let _ = is_done.await;
    });
    assert_eq!(tasks.running(), 1);
    assert!(timeout(SECOND, tasks.wait()).await.is_err());
    drop(done);
    timeout(SECOND, tasks.wait()).await.unwrap();
    assert_eq!(tasks.running(), 0);
    assert_eq!(rig.recorder.tasks_spawned(TaskKind::Serve), 1);
    assert_eq!(rig.recorder.tasks_aborted(TaskKind::Serve), 0);
}

#[tokio::test(start_paused = true)]
async fn later_admission_hook_replaces_earlier() {
    let mut rig = Rig::new(|_| {});
    rig.limiter.set_admit(|_| Decision::Refuse);
    rig.limiter.set_admit(|_| Decision::Allow);
    let _conn = rig.connect().await;
}
