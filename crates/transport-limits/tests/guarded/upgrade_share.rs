//! Upgrades in the share of a peer's handshakes, and a failed one.

use transport_core::{CloseReason, Connection, Dialer, Queue, Reason, TransportError};

use crate::harness::{anywhere, Rig};

#[tokio::test(start_paused = true)]
async fn upgrade_counts_in_the_share_of_its_peer() {
    let mut rig = Rig::new(|limits| {
        limits.set_peer_pending_handshakes(1).unwrap();
    });
    let (ours, _peer) = rig.connect().await;
    let (more, _more_peer) = rig.connect().await;
    let _other = rig.dialer.dial(&anywhere()).await.unwrap();
    let pending = rig.guard.accept().await;
    let refused = ours.io.upgrade(|raw, _| async { Ok(raw) }).await;
    let error = refused.unwrap_err();
    let is_limit = matches!(
        error,
        TransportError::Refused {
            reason: Reason::HandshakeLimit
        }
    );
    assert!(is_limit, "{error:?}");
    assert_eq!(rig.recorder.queue_dropped(Queue::PendingHandshakes), 1);
    drop(pending);
    assert_eq!(rig.limiter.pending(), 0);
    more.io.upgrade(|raw, _| async { Ok(raw) }).await.unwrap();
}

/// The automatic share is a quarter of all places.
#[tokio::test(start_paused = true)]
async fn peer_fills_a_quarter_of_handshakes() {
    let mut rig = Rig::new(|limits| {
        limits.set_max_pending_handshakes(64).unwrap();
    });
    let (mut pending, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..16 {
        peers.push(rig.dialer.dial(&anywhere()).await.unwrap());
        pending.push(rig.guard.accept().await);
    }
    let recorder = rig.recorder.clone();
    let _late = rig.dialer.dial(&anywhere()).await.unwrap();
    tokio::select! {
        _ = rig.guard.accept() => panic!("over the share"),
        () = recorder.wait_for("a refusal", |s| s.rejected(Reason::HandshakeLimit) == 1) => {}
    }
}

/// The connection ends by its own failure, not by a cancel.
#[tokio::test(start_paused = true)]
async fn failed_upgrade_closes_connection() {
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let failed = ours.io.upgrade(|_raw, _| async {
        Err::<Connection<transport_testkit::MemoryIo>, _>(TransportError::Proxy {
            source: "on purpose".into(),
        })
    });
    failed.await.unwrap_err();
    let error = control.ended().await;
    assert!(matches!(error, TransportError::Closed), "{error:?}");
    assert_eq!(rig.recorder.rejected(Reason::Proxy), 1);
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 0);
}
