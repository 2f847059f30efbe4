//! Admission: caps, accept rates, and the return of permits.

use std::time::Duration;

use transport_core::{Dialer, Queue, Reason};
use transport_limits::{Guard, Limits};

use super::rig::{limiter, ping, Rig};
use super::waits::Watch;
use crate::{Harness, Opened, Recorder};

/// The connection cap refuses a newcomer; a freed place is reused.
pub async fn connection_cap_refuses_and_readmits<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| {
        l.set_max_conns(2).unwrap();
    })
    .await;
    let (mut first, mut first_peer) = rig.connect().await;
    let (second, second_peer) = rig.connect().await;
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::ConnLimit), 1);
    assert_eq!((rig.recorder.accepts(), rig.recorder.inflight()), (3, 2));
    ping(&mut first.io, &mut first_peer.io).await;
    drop((second, second_peer));
    rig.inflight(1).await;
    let (mut third, mut third_peer) = rig.connect().await;
    ping(&mut third.io, &mut third_peer.io).await;
    ping(&mut first.io, &mut first_peer.io).await;
    assert_eq!(rig.recorder.snapshot().all_rejected(), 1);
}

/// The cap on pending handshakes refuses before the handshake.
pub async fn pending_cap_refuses<H: Harness>(harness: &H) {
    let recorder = Recorder::new();
    let limiter = limiter(&recorder, |l| {
        l.set_max_pending_handshakes(1).unwrap();
    });
    let Opened {
        listener,
        dialer,
        target,
    } = harness.open().await;
    let mut guard = Guard::new(listener, &limiter);
    // The dials run in tasks of their own, because only the accepting side is awaited here.
    let (dialer, target) = (std::sync::Arc::new(dialer), std::sync::Arc::new(target));
    let dial = || {
        let (dialer, target) = (dialer.clone(), target.clone());
        tokio::spawn(async move { dialer.dial(&target).await })
    };
    let _dial = dial();
    let first = guard.accept().await;
    assert_eq!(recorder.queue_depth(Queue::PendingHandshakes), 1);
    let _dial = dial();
    tokio::select! {
        _ = guard.accept() => panic!("admitted a second pending handshake"),
        () = recorder.wait_for("a refusal", |s| s.all_rejected() == 1) => {}
    }
    assert_eq!(recorder.rejected(Reason::HandshakeLimit), 1);
    assert_eq!(recorder.queue_dropped(Queue::PendingHandshakes), 1);
    drop(first);
    assert_eq!(
        (
            recorder.queue_depth(Queue::PendingHandshakes),
            recorder.inflight()
        ),
        (0, 0)
    );
    let _dial = dial();
    let third = guard.accept().await;
    let _third = third.establish().await.unwrap();
    assert_eq!(
        recorder.queue_depth(Queue::PendingHandshakes),
        0,
        "an established connection still counts as pending"
    );
    assert_eq!(recorder.inflight(), 1);
}

/// A peer gets its share of the pending handshakes only.
pub async fn pending_share_of_a_peer_holds<H: Harness>(harness: &H) {
    // Before the announcement there is no peer whose share it could be.
    if H::ANNOUNCED {
        return;
    }
    // The automatic share of 16 places, then an explicit cap.
    for (places, explicit, share) in [(16, 0, 4), (16, 2, 2)] {
        let recorder = Recorder::new();
        let limiter = limiter(&recorder, |l| {
            l.set_max_pending_handshakes(places).unwrap();
            l.set_peer_pending_handshakes(explicit).unwrap();
        });
        let Opened {
            listener,
            dialer,
            target,
        } = harness.open().await;
        let mut guard = Guard::new(listener, &limiter);
        let (dialer, target) = (std::sync::Arc::new(dialer), std::sync::Arc::new(target));
        let dial = || {
            let (dialer, target) = (dialer.clone(), target.clone());
            tokio::spawn(async move { dialer.dial(&target).await })
        };
        let mut pending = Vec::new();
        for _ in 0..share {
            let _dial = dial();
            pending.push(guard.accept().await);
        }
        let _dial = dial();
        tokio::select! {
            _ = guard.accept() => panic!("admitted above the share of {share}"),
            () = recorder.wait_for("a refusal", |s| s.all_rejected() == 1) => {}
        }
        assert_eq!(recorder.rejected(Reason::HandshakeLimit), 1);
        assert_eq!(recorder.queue_dropped(Queue::PendingHandshakes), 1);
        assert_eq!(recorder.queue_depth(Queue::PendingHandshakes), share);
        // One handshake completes and one is dropped: both places are free again.
        let dropped = pending.pop();
        let _ours = pending.pop().unwrap().establish().await.unwrap();
        drop(dropped);
        for _ in 0..2 {
            let _dial = dial();
            pending.push(guard.accept().await);
        }
        assert_eq!(recorder.queue_depth(Queue::PendingHandshakes), share);
        assert_eq!(recorder.rejected(Reason::HandshakeLimit), 1);
    }
}

/// A peer at its own cap is refused while its connections continue.
pub async fn peer_cap_refuses<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| {
        l.set_peer_max_conns(1).unwrap();
    })
    .await;
    let (mut ours, mut peer) = rig.connect().await;
    assert_eq!(
        rig.recorder.snapshot().peers.map(|p| (p.1, p.2)),
        Some((1, 1))
    );
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::PeerLimit), 1);
    ping(&mut ours.io, &mut peer.io).await;
    drop((ours, peer));
    rig.inflight(0).await;
    assert_eq!(
        rig.recorder.snapshot().peers.map(|p| (p.1, p.2)),
        Some((0, 0))
    );
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
}

/// The accept rate of all peers together.
pub async fn accept_rate_holds<H: Harness>(harness: &H) {
    accept_rate(harness, |l| {
        l.set_accept_rates(2, 0).unwrap();
    })
    .await;
}

/// The accept rate of one peer.
pub async fn accept_rate_of_peer_holds<H: Harness>(harness: &H) {
    accept_rate(harness, |l| {
        l.set_accept_rates(0, 2).unwrap();
    })
    .await;
}

async fn accept_rate<H: Harness>(harness: &H, tune: impl FnOnce(&mut Limits)) {
    const DIALS: u64 = 12;
    let mut rig = Rig::new(harness, tune).await;
    let recorder = rig.recorder.clone();
    let watch = Watch::start();
    for _ in 0..DIALS {
        // A refusal is the listener's decision, not an error of this test.
        let _ = rig.dialer.dial(&rig.target).await;
    }
    let mut let_in = 0;
    loop {
        let judged = recorder.wait_for("every dial to be admitted or refused", move |s| {
            s.rejected(Reason::RateLimited) + let_in == DIALS
        });
        tokio::select! {
            () = judged => break,
            _ = rig.next() => let_in += 1,
        }
    }
    // Two per second, and a burst of two.
    let most = 2 + (watch.elapsed().as_millis() * 2).div_ceil(1000);
    assert!(u128::from(let_in) <= most, "{let_in} admitted of {DIALS}");
    assert!(
        let_in >= 2,
        "the burst was refused: {let_in} admitted of {DIALS}"
    );
    assert_eq!(recorder.accepts(), DIALS);
}

/// Every path returns the permit: drop, pending, cancelled handshake.
pub async fn permit_returned_on_every_path<H: Harness>(harness: &H) {
    let recorder = Recorder::new();
    let limiter = limiter(&recorder, |_| {});
    let Opened {
        listener,
        dialer,
        target,
    } = harness.open().await;
    let mut guard = Guard::new(listener, &limiter);

    let (incoming, _peer) = tokio::join!(
        async { drop(guard.accept().await) },
        tokio::time::timeout(Duration::from_secs(5), dialer.dial(&target)),
    );
    assert_eq!(
        ((), recorder.inflight(), limiter.admitted()),
        (incoming, 0, 0)
    );

    let (incoming, _peer) = tokio::join!(
        async {
            let incoming = guard.accept().await;
            assert_eq!(limiter.admitted(), 1);
            drop(incoming.establish());
        },
        tokio::time::timeout(Duration::from_secs(5), dialer.dial(&target)),
    );
    assert_eq!(
        ((), recorder.inflight(), limiter.admitted()),
        (incoming, 0, 0)
    );

    let (ours, peer) = tokio::join!(
        async { guard.accept().await.establish().await.unwrap() },
        dialer.dial(&target),
    );
    let control = ours.io.control();
    assert_eq!(
        (recorder.inflight(), limiter.admitted(), limiter.open()),
        (1, 1, 1)
    );
    drop(ours);
    assert_eq!(limiter.open(), 0);
    // A lingering close keeps its place until the peer has closed too.
    drop(peer);
    recorder.wait_for("the permit", |s| s.inflight() == 0).await;
    assert_eq!(limiter.admitted(), 0);
    assert!(control.is_ended(), "a handle keeps the connection alive");
    assert_eq!(recorder.queue_depth(Queue::PendingHandshakes), 0);
}

/// A panicking handler ends its own connection only.
pub async fn permit_returned_after_panic<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| {
        l.set_max_conns(1).unwrap();
    })
    .await;
    let (ours, _peer) = rig.connect().await;
    let handler = tokio::spawn(async move {
        let _ours = ours;
        panic!("on purpose");
    });
    assert!(handler.await.unwrap_err().is_panic());
    rig.inflight(0).await;
    assert_eq!(rig.limiter.admitted(), 0);
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
}

/// A drain refuses newcomers; open connections continue.
pub async fn draining_refuses<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    rig.limiter.drain();
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::Draining), 1);
    ping(&mut ours.io, &mut peer.io).await;
}
