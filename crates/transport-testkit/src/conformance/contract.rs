//! The contract of a backend, on its raw types.
//!
//! [`transport_core::contract`] has the rules; a failed assertion names one.

use std::future::Future;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use transport_core::{Connection, Dialer, Io, Listener, PeerAddr, Pending, TransportError};
use transport_limits::PeerKey;

use super::raw_rig::{connect, dial, ended, served, RawEnds, RawRig};
use super::rig::pattern;
use super::waits::SHORT;
use crate::Harness;

/// The longest wait for a step that must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections of a case with several.
const CONNS: usize = 5;

/// Waits for a step that a rule demands.
async fn soon<T>(rule: &str, what: &str, step: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, step).await {
        Ok(done) => done,
        Err(_) => panic!("rule {rule}: {what} within {PATIENCE:?}"),
    }
}

/// An accept needs no handshake of the peer.
pub async fn accept_waits_for_no_handshake<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let dialing = dial::<H>(&rig);
    let accept = rig.listener.accept();
    let pending = soon("accept-early", "accept yields a connection", accept).await;
    drop(pending.unwrap());
    drop(dialing);
}

/// Accepts that are dropped lose no connection.
///
/// The dials run at the same time.
pub async fn cancelled_accept_loses_no_connection<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let dialing: Vec<_> = (0..CONNS).map(|_| dial::<H>(&rig)).collect();
    let mut accepted = Vec::new();
    let all = async {
        while accepted.len() < CONNS {
            tokio::select! {
                biased;
                pending = rig.listener.accept() => accepted.push(pending.unwrap()),
                // The accept is dropped here.
                () = sleep(Duration::from_millis(1)) => {}
            }
        }
    };
    soon("accept-cancel", "every dialed connection is accepted", all).await;
    let establishing = accepted
        .into_iter()
        .map(|pending| tokio::spawn(pending.establish()));
    let establishing: Vec<_> = establishing.collect();
    for (establishing, dialing) in establishing.into_iter().zip(dialing) {
        let both = async { (establishing.await.unwrap(), dialing.await.unwrap()) };
        let (ours, peer) = soon("dial-concurrent", "every dial ends", both).await;
        drop((ours.unwrap(), peer.unwrap()));
    }
}

/// Once the listener is dropped, no client is served.
pub async fn dropped_listener_serves_no_client<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let RawEnds { mut ours, mut peer } = connect::<H>(&mut rig).await;
    let RawRig {
        listener,
        dialer,
        target,
    } = rig;
    drop(listener);
    let later = timeout(SHORT * 10, dialer.dial(&target)).await;
    if let Ok(Ok(later)) = later {
        assert!(
            !served(later.io).await,
            "rule listener-drop: a client is served after the drop"
        );
    }
    peer.io.write_all(b"x").await.unwrap();
    peer.io.flush().await.unwrap();
    let read = soon(
        "listener-drop",
        "an open connection continues",
        ours.io.read_u8(),
    );
    assert_eq!(read.await.unwrap(), b'x');
}

/// A shared listener accepts, and its drop leaves the other one accepting.
pub async fn dropped_share_leaves_the_listener<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let Some(mut shared) = rig.listener.share().unwrap() else {
        return;
    };
    let dialing = dial::<H>(&rig);
    let pending = soon("share", "the shared listener accepts", shared.accept()).await;
    drop(shared);
    let (ours, peer) = tokio::join!(pending.unwrap().establish(), dialing);
    let RawEnds {
        ours: later,
        peer: later_peer,
    } = soon(
        "share",
        "the other listener accepts",
        connect::<H>(&mut rig),
    )
    .await;
    let _open = (ours.unwrap(), peer.unwrap().unwrap(), later, later_peer);
}

/// Listener, dialer and connections report the same backend.
pub async fn labels_are_equal<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let RawEnds { ours, peer } = connect::<H>(&mut rig).await;
    let label = rig.listener.backend();
    let all = [rig.dialer.backend(), ours.info.backend, peer.info.backend];
    assert_eq!(all, [label; 3], "rule label: the backends differ");
}

/// A dropped pending connection refuses the peer.
pub async fn dropped_pending_refuses_the_peer<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let dialing = dial::<H>(&rig);
    drop(rig.listener.accept().await.unwrap());
    let refused = ended(dialing);
    let what = "the dial fails or the stream ends";
    assert!(
        soon("pending-drop", what, refused).await,
        "rule pending-drop: a refused peer read a byte"
    );
}

/// A handshake that is dropped after one poll refuses the peer.
pub async fn dropped_handshake_refuses_the_peer<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let dialing = dial::<H>(&rig);
    let pending = rig.listener.accept().await.unwrap();
    poll_once(pending.establish()).await;
    let what = "the dial fails or the stream ends";
    assert!(
        soon("establish-drop", what, ended(dialing)).await,
        "rule establish-drop: a refused peer read a byte"
    );
}

/// Polls a future once, and drops it.
async fn poll_once<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    let poll = |cx: &mut Context<'_>| std::task::Poll::Ready(future.as_mut().poll(cx).is_ready());
    std::future::poll_fn(poll).await
}

/// Without a handshake, establishing waits for nothing.
pub async fn instant_handshake_needs_one_poll<H: Harness>(harness: &H) {
    if <H::Listener as Listener>::Pending::HANDSHAKE {
        return;
    }
    let mut rig = RawRig::new(harness).await;
    let dialing = dial::<H>(&rig);
    let pending = rig.listener.accept().await.unwrap();
    if pending.hop_timeout().is_some() {
        return;
    }
    assert!(
        poll_once(pending.establish()).await,
        "rule establish-instant: HANDSHAKE is false, and establish waits"
    );
    drop(dialing);
}

/// All connections of a peer count as one peer.
pub async fn peers_are_stable<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let dialing = dial::<H>(&rig);
        let mut pending = rig.listener.accept().await.unwrap();
        if pending.hop_timeout().is_some() {
            pending.identify().await.unwrap();
        }
        let peer = pending.peer();
        let (ours, other) = tokio::join!(pending.establish(), dialing);
        let ours = ours.unwrap();
        assert_eq!(
            ours.info.peer,
            Some(peer),
            "rule peer: establish changed it"
        );
        keys.push(key(peer));
        drop((ours, other));
    }
    assert_eq!(
        keys[0], keys[1],
        "rule peer: two connections of a peer count as two peers"
    );
}

fn key(peer: PeerAddr) -> PeerKey {
    PeerKey::new(peer, 32, 64)
}

/// A dropped dial leaves no open connection behind.
pub async fn dropped_dial_ends_the_connection<H: Harness>(harness: &H) {
    let RawRig {
        mut listener,
        dialer,
        target,
    } = RawRig::new(harness).await;
    poll_once(dialer.dial(&target)).await;
    let Ok(pending) = timeout(SHORT, listener.accept()).await else {
        return;
    };
    let reads = async {
        match pending.unwrap().establish().await {
            Ok(mut ours) => ours.io.read(&mut [0]).await,
            Err(_) => Ok(0),
        }
    };
    let read = soon("dial-drop", "the accepted end reads its end", reads).await;
    assert!(
        matches!(read, Ok(0) | Err(_)),
        "rule dial-drop: a dropped dial sent a byte"
    );
}

/// A shutdown delivers everything written before it, and then the end.
pub async fn shutdown_delivers_written_bytes<H: Harness>(harness: &H) {
    const BYTES: usize = 100_003;
    let mut rig = RawRig::new(harness).await;
    let RawEnds { ours, peer } = connect::<H>(&mut rig).await;
    delivers(ours.io, peer.io, BYTES).await;
    let RawEnds { ours, peer } = connect::<H>(&mut rig).await;
    delivers(peer.io, ours.io, BYTES).await;
}

async fn delivers<A: Io, B: Io>(mut from: A, mut to: B, bytes: usize) {
    let sent = pattern(bytes);
    let mut got = Vec::new();
    let both = async {
        tokio::join!(
            async {
                from.write_all(&sent).await.unwrap();
                from.shutdown().await.unwrap();
            },
            to.read_to_end(&mut got)
        )
    };
    let ((), read) = soon("shutdown", "the peer reads the end", both).await;
    assert!(read.is_ok(), "rule shutdown: the peer reads {read:?}");
    assert!(
        got == sent,
        "rule shutdown: {} of {bytes} bytes arrived",
        got.len()
    );
}

/// An aborted stream is an error for its peer, in both directions.
pub async fn aborted_stream_is_no_end_of_stream<H: Harness>(harness: &H) {
    for unsent in [false, true] {
        let mut rig = RawRig::new(harness).await;
        let RawEnds { ours, peer } = connect::<H>(&mut rig).await;
        aborts::<H, _, _>(ours.io, peer.io, unsent).await;
        let RawEnds { ours, peer } = connect::<H>(&mut rig).await;
        aborts::<H, _, _>(peer.io, ours.io, unsent).await;
    }
}

/// Aborts one end, with or without unsent data, and reads the other.
async fn aborts<H: Harness, A: Io, B: Io>(mut from: A, mut to: B, unsent: bool) {
    let sent = pattern(4 << 20);
    if unsent {
        // Ends in the middle, when no buffer takes more.
        let _ = timeout(SHORT, from.write_all(&sent)).await;
    } else {
        from.write_all(&sent[..1000]).await.unwrap();
        from.flush().await.unwrap();
        to.read_exact(&mut [0; 1000]).await.unwrap();
    }
    from.abort();
    drop(from);
    let mut got = Vec::new();
    let reading = to.read_to_end(&mut got);
    let end = soon("abort", "the peer reads the end", reading).await;
    if unsent {
        assert!(
            sent.starts_with(&got),
            "rule abort: the peer read other bytes than were sent"
        );
    }
    if !H::SIGNALS_ABORT {
        assert!(
            got.len() < sent.len(),
            "rule abort: unsent data was not discarded"
        );
        return;
    }
    let Err(error) = end else {
        panic!(
            "rule abort: the peer reads an end of stream after {} bytes, so a cut stream looks \
             whole",
            got.len()
        );
    };
    let reason = TransportError::from(error).close_reason();
    assert!(
        matches!(
            reason,
            transport_core::CloseReason::Reset | transport_core::CloseReason::Truncated
        ),
        "rule abort: the error is a reset or an unexpected end, not {reason:?}"
    );
}

/// A dropped stream ends for its peer.
pub async fn dropped_stream_ends_for_its_peer<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let RawEnds { ours, mut peer } = connect::<H>(&mut rig).await;
    drop(ours);
    let read = soon("drop", "the peer reads the end", peer.io.read(&mut [0])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "rule drop: {read:?}");
    let RawEnds { mut ours, peer } = connect::<H>(&mut rig).await;
    drop(peer);
    let read = soon("drop", "we read the end", ours.io.read(&mut [0])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "rule drop: {read:?}");
}

/// Writes to a peer that has left fail.
pub async fn write_to_gone_peer_fails<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let RawEnds { mut ours, peer } = connect::<H>(&mut rig).await;
    drop(peer);
    let chunk = vec![7; 64 << 10];
    let writing = async { while ours.io.write_all(&chunk).await.is_ok() {} };
    soon("gone", "a write to a peer that has left fails", writing).await;
}

/// A peer's end of stream resolves no wait for a reset.
pub async fn end_of_stream_is_no_reset<H: Harness>(harness: &H) {
    let mut rig = RawRig::new(harness).await;
    let RawEnds { mut ours, mut peer } = connect::<H>(&mut rig).await;
    peer.io.write_all(b"unread").await.unwrap();
    peer.io.shutdown().await.unwrap();
    let reset = timeout(SHORT, ours.io.wait_reset()).await;
    assert!(
        reset.is_err(),
        "rule reset: wait_reset resolved at an end of stream"
    );
    let mut got = Vec::new();
    ours.io.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"unread", "rule reset: wait_reset took bytes");
    drop::<Connection<_>>(peer);
}
