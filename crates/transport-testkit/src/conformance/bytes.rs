//! Bytes: exact counts, vectored writes, and half-closes.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use transport_core::{CloseReason, Dialer, Direction, Listener, Pending};
use transport_limits::Guard;

use super::rig::{limiter, pattern, Rig};
use super::waits::{deadlines, SHORT};
use crate::{Harness, Opened, Recorder};

/// Both directions, over several reports of the counter.
pub async fn bytes_are_counted_exactly<H: Harness>(harness: &H) {
    const IN: usize = 700_001;
    const OUT: usize = 300_007;
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    let (up, down) = (pattern(IN), pattern(OUT));
    let control = ours.io.control();
    let echo = async {
        let mut got = vec![0; IN];
        ours.io.read_exact(&mut got).await.unwrap();
        assert!(got == up, "received bytes differ from sent bytes");
        ours.io.write_all(&down).await.unwrap();
        ours.io.shutdown().await.unwrap();
        assert_eq!(ours.io.read(&mut [0; 16]).await.unwrap(), 0);
        drop(ours);
    };
    let exchange = async {
        peer.io.write_all(&up).await.unwrap();
        peer.io.flush().await.unwrap();
        let mut got = Vec::new();
        peer.io.read_to_end(&mut got).await.unwrap();
        assert!(got == down, "received bytes differ from sent bytes");
        peer.io.shutdown().await.unwrap();
    };
    tokio::join!(echo, exchange);
    assert_eq!(
        (control.bytes_in(), control.bytes_out()),
        (IN as u64, OUT as u64)
    );
    assert_eq!(rig.recorder.bytes(rig.backend, Direction::In), IN as u64);
    assert_eq!(rig.recorder.bytes(rig.backend, Direction::Out), OUT as u64);
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
}

/// A write deadline in mid-transfer keeps the count of earlier bytes.
pub async fn bytes_are_counted_exactly_after_an_error<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.write = SHORT)).await;
    let (mut ours, mut peer) = rig.connect().await;
    let data = pattern(100_003);
    let mut accepted = 0;
    while let Ok(written) = ours.io.write(&data).await {
        accepted += written as u64;
    }
    let control = ours.io.control();
    drop(ours);
    assert_eq!(control.bytes_out(), accepted);
    assert_eq!(rig.recorder.bytes(rig.backend, Direction::Out), accepted);

    let (mut ours, mut other) = rig.connect().await;
    other.io.write_all(&data[..1234]).await.unwrap();
    other.io.flush().await.unwrap();
    let control = ours.io.control();
    control.expect_read(0);
    let mut got = vec![0; 1234];
    ours.io.read_exact(&mut got).await.unwrap();
    control.cancel();
    ours.io.read(&mut got).await.unwrap_err();
    drop(ours);
    assert_eq!(control.bytes_in(), 1234);
    assert_eq!(rig.recorder.bytes(rig.backend, Direction::In), 1234);
    // The first peer receives a prefix of the accepted bytes, or nothing.
    let mut delivered = Vec::new();
    let _ = peer.io.read_to_end(&mut delivered).await;
    assert!(delivered.len() as u64 <= accepted);
}

/// A dialed connection is counted separately and not capped.
pub async fn dialed_connections_are_counted<H: Harness>(harness: &H) {
    let Opened {
        mut listener,
        dialer,
        target,
    } = harness.open().await;
    let (recorder, backend) = (Recorder::new(), dialer.backend());
    let limiter = limiter(&recorder, |l| {
        l.set_max_conns(1).unwrap();
    });
    let guard = Guard::new(dialer, &limiter);
    let mut open = Vec::new();
    for _ in 0..2 {
        let (ours, peer) = tokio::join!(guard.dial(&target), async {
            listener.accept().await.unwrap().establish().await.unwrap()
        });
        open.push((ours.unwrap(), peer));
    }
    assert_eq!(
        (recorder.inflight(), limiter.open(), limiter.admitted()),
        (2, 2, 0)
    );
    let (ours, peer) = &mut open[0];
    ours.io.write_all(b"hello").await.unwrap();
    ours.io.flush().await.unwrap();
    peer.io.read_exact(&mut [0; 5]).await.unwrap();
    assert_ne!(ours.info.id, 0, "a guarded connection has no id");
    drop(open);
    assert_eq!(recorder.bytes(backend, Direction::Out), 5);
    assert_eq!(recorder.snapshot().dials(true), 2);
    recorder
        .wait_for("both to be gone", |s| s.inflight() == 0)
        .await;
    assert_eq!(recorder.snapshot().handshakes.len(), 2);
}

/// One vectored write stays one, where the stream supports it.
pub async fn vectored_writes_are_preserved<H: Harness>(harness: &H) {
    let Opened {
        mut listener,
        dialer,
        target,
    } = harness.open().await;
    let (raw, _peer) = tokio::join!(
        async { listener.accept().await.unwrap().establish().await.unwrap() },
        dialer.dial(&target),
    );
    let vectored = raw.io.is_write_vectored();
    drop(raw);

    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    assert_eq!(
        ours.io.is_write_vectored(),
        vectored,
        "the guard hides vectored writes of the stream"
    );
    let parts = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two "),
        IoSlice::new(b"three"),
    ];
    let written = poll_fn(|cx| Pin::new(&mut ours.io).poll_write_vectored(cx, &parts))
        .await
        .unwrap();
    assert_eq!(written, if vectored { 13 } else { 4 });
    ours.io.flush().await.unwrap();
    let mut got = vec![0; written];
    peer.io.read_exact(&mut got).await.unwrap();
    assert_eq!(got, &b"one two three"[..written]);
}

/// After the peer's half-close we read EOF and can still answer.
pub async fn peer_half_closes_first<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(b"request").await.unwrap();
    peer.io.shutdown().await.unwrap();
    let mut request = Vec::new();
    ours.io.read_to_end(&mut request).await.unwrap();
    assert_eq!(request, b"request");
    ours.io.write_all(b"reply").await.unwrap();
    ours.io.shutdown().await.unwrap();
    let mut reply = Vec::new();
    peer.io.read_to_end(&mut reply).await.unwrap();
    assert_eq!(reply, b"reply");
    drop(ours);
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
}

/// After our half-close the peer reads EOF and can still answer.
pub async fn we_half_close_first<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    ours.io.write_all(b"request").await.unwrap();
    ours.io.shutdown().await.unwrap();
    let mut request = Vec::new();
    peer.io.read_to_end(&mut request).await.unwrap();
    assert_eq!(request, b"request");
    peer.io.write_all(b"reply").await.unwrap();
    peer.io.shutdown().await.unwrap();
    let mut reply = Vec::new();
    ours.io.read_to_end(&mut reply).await.unwrap();
    assert_eq!(reply, b"reply");
    drop(ours);
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
}
