//! Ends from outside: closed limiters, panics, threads without a runtime.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use transport_core::{CloseReason, Dialer, Reason, TransportError};
use transport_limits::framed;

use crate::harness::{anywhere, ping, Rig};

const SECOND: Duration = Duration::from_secs(1);
/// The longest lingering close.
const LINGER: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn lingering_close_is_counted() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    drop(ours);
    sleep(LINGER - SECOND / 10).await;
    assert_eq!((rig.limiter.lingering(), rig.limiter.admitted()), (1, 1));
    sleep(SECOND / 5).await;
    assert_eq!((rig.limiter.lingering(), rig.limiter.admitted()), (0, 0));
    assert_eq!(peer.io.read(&mut [0; 1]).await.unwrap(), 0, "in order");
}

#[tokio::test(start_paused = true)]
async fn close_ends_lingering_and_refuses() {
    let mut rig = Rig::new(|_| {});
    let (lingers, _its_peer) = rig.connect().await;
    let (open, _open_peer) = rig.connect().await;
    drop(lingers);
    sleep(SECOND / 10).await;
    assert_eq!(rig.limiter.lingering(), 1);
    rig.limiter.close();
    assert!(open.io.control().is_ended());
    rig.recorder
        .wait_for("no connection", |s| s.inflight() == 0)
        .await;
    assert_eq!(rig.limiter.lingering(), 0);
    let recorder = rig.recorder.clone();
    let _late = rig.dialer.dial(&anywhere()).await.unwrap();
    tokio::select! {
        _ = rig.guard.accept() => panic!("admitted"),
        () = recorder.wait_for("a refusal", |s| s.rejected(Reason::Draining) == 1) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn cancel_without_runtime_closes_stream() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let cancelling = std::thread::spawn(move || control.cancel());
    cancelling.join().unwrap();
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 1);
    assert_eq!(
        rig.limiter.admitted(),
        0,
        "the handler still has its stream"
    );
    peer.io.read(&mut [0; 1]).await.unwrap_err();
    drop(ours);
}

/// The handler closes the stream, because a lingering close needs a task.
#[tokio::test(start_paused = true)]
async fn drain_without_runtime_awaits_handler() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    peer.io.write_all(&[0, 0, 0, 1, 7]).await.unwrap();
    frames.read_frame().await.unwrap().unwrap();
    sender.send(vec![8].into()).await.unwrap();
    peer.io.read_exact(&mut [0; 5]).await.unwrap();
    let closing = std::thread::spawn(move || control.close_if_idle());
    assert!(closing.join().unwrap());
    assert_eq!(rig.limiter.admitted(), 1, "the stream is open");
    let error = frames.read_frame().await.unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    assert_eq!(peer.io.read(&mut [0; 1]).await.unwrap(), 0, "in order");
    drop(peer);
    rig.recorder
        .wait_for("no connection", |s| s.inflight() == 0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn panic_aborts_stream_of_another_task() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    let guard = ours.io.control().abort_on_panic();
    let panicking = catch_unwind(AssertUnwindSafe(move || {
        let _guard = guard;
        panic!("on purpose");
    }));
    panicking.unwrap_err();
    assert!(ours.io.control().is_ended());
    peer.io.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(rig.recorder.closes(CloseReason::Error), 1);
}

#[tokio::test(start_paused = true)]
async fn guard_dropped_without_panic_ends_nothing() {
    let mut rig = Rig::new(|_| {});
    let (mut ours, mut peer) = rig.connect().await;
    drop(ours.io.control().abort_on_panic());
    ping(&mut ours.io, &mut peer.io).await;
}

#[tokio::test(start_paused = true)]
async fn partial_frame_is_not_idle() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    peer.io.write_all(&[0, 0]).await.unwrap();
    assert!(timeout(SECOND, frames.read_frame()).await.is_err());
    sender.send(vec![8].into()).await.unwrap();
    peer.io.read_exact(&mut [0; 5]).await.unwrap();
    sleep(SECOND).await;
    assert!(!control.is_idle(), "a header is incomplete");
    peer.io.write_all(&[0, 1, 7]).await.unwrap();
    assert_eq!(frames.read_frame().await.unwrap().unwrap()[..], [7]);
    sender.send(vec![8].into()).await.unwrap();
    peer.io.read_exact(&mut [0; 5]).await.unwrap();
    assert!(control.is_idle());
}
