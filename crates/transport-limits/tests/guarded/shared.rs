//! Two limiters with shared ceilings: caps over the sum, everything else apart.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{timeout, Instant};
use transport_core::schema::Section;
use transport_core::{Backend, Dialer, Op, PeerAddr, Queue, Reason, TransportError};
use transport_limits::{framed, Guard, IpPrefixes, Limiter, Limits};
use transport_testkit::{MemoryListener, Recorder};

use crate::harness::{anywhere, assert_took, chunk_in, deadlines, ping, rates, Rig};

fn owner(tune: impl FnOnce(&mut Limits)) -> Limiter {
    let mut limits = Limits::default();
    tune(&mut limits);
    Limiter::builder().limits(limits).build().unwrap()
}

/// Returns a rig under the ceilings of the owner.
fn rig(owner: &Limiter, tune: impl FnOnce(&mut Limits)) -> Rig {
    let mut limits = Limits::default();
    tune(&mut limits);
    let recorder = Recorder::new();
    let limiter = Limiter::builder()
        .share(owner)
        .limits(limits.clone())
        .observer(recorder.observer())
        .build()
        .unwrap();
    let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
    let writes = listener.writes();
    let guard = Guard::new(listener, &limiter);
    Rig {
        limits,
        limiter,
        recorder,
        guard,
        dialer,
        writes,
    }
}

pub(crate) fn two(tune: impl FnOnce(&mut Limits)) -> (Limiter, Rig, Rig) {
    let owner = owner(tune);
    let (public, private) = (rig(&owner, |_| ()), rig(&owner, |_| ()));
    (owner, public, private)
}

fn from(rig: &mut Rig, peer: &str) {
    let peer = PeerAddr::Ip(peer.parse().unwrap());
    rig.dialer = rig.dialer.clone().from_peer(peer);
}

/// Dials once, and asserts the reason of the refusal.
pub(crate) async fn refused(rig: &mut Rig, reason: Reason) {
    let before = rig.recorder.rejected(reason);
    let recorder = rig.recorder.clone();
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    tokio::select! {
        _ = rig.guard.accept() => panic!("admitted"),
        () = recorder.wait_for("a refusal", |s| s.rejected(reason) > before) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn total_cap_holds_over_both() {
    let (owner, mut public, mut private) = two(|l| {
        l.set_max_conns(3).unwrap();
    });
    let first = public.connect().await;
    let _second = private.connect().await;
    let _third = public.connect().await;
    refused(&mut public, Reason::ConnLimit).await;
    refused(&mut private, Reason::ConnLimit).await;
    assert_eq!((public.limiter.open(), private.limiter.open()), (2, 1));
    drop(first);
    public
        .recorder
        .wait_for("a close", |s| s.inflight() == 1)
        .await;
    let _fourth = private.connect().await;
    assert_eq!(owner.admitted(), 3);
}

#[tokio::test(start_paused = true)]
async fn peer_cap_holds_over_both() {
    let (_, mut public, mut private) = two(|l| {
        l.set_peer_max_conns(2).unwrap();
    });
    from(&mut public, "192.0.2.1:1");
    from(&mut private, "192.0.2.1:2");
    let _first = public.connect().await;
    let second = private.connect().await;
    refused(&mut public, Reason::PeerLimit).await;
    refused(&mut private, Reason::PeerLimit).await;
    // Each observer shows the shared table.
    for rig in [&public, &private] {
        assert_eq!(rig.recorder.snapshot().peers, Some((Backend::Tcp, 1, 2)));
    }
    drop(second);
    private
        .recorder
        .wait_for("a close", |s| s.inflight() == 0)
        .await;
    for rig in [&public, &private] {
        assert_eq!(rig.recorder.snapshot().peers, Some((Backend::Tcp, 1, 1)));
    }
    from(&mut private, "192.0.2.2:2");
    let _other = private.connect().await;
}

#[tokio::test(start_paused = true)]
async fn pending_handshakes_counted_over_both() {
    let (_, mut public, mut private) = two(|l| {
        l.set_max_pending_handshakes(1).unwrap();
    });
    let _peer = public.dialer.dial(&anywhere()).await.unwrap();
    let pending = public.guard.accept().await;
    refused(&mut private, Reason::HandshakeLimit).await;
    assert_eq!(
        (public.limiter.pending(), private.limiter.pending()),
        (1, 0)
    );
    assert_eq!(public.recorder.queue_depth(Queue::PendingHandshakes), 1);
    assert_eq!(private.recorder.queue_depth(Queue::PendingHandshakes), 0);
    drop(pending);
    let _conn = private.connect().await;
}

#[tokio::test(start_paused = true)]
async fn memory_budget_is_one() {
    const FRAME: usize = 64 << 10;
    let sized = |l: &mut Limits| {
        l.set_chunk_bytes(4 << 10).unwrap();
        l.set_max_frame_bytes(FRAME as u64).unwrap();
    };
    let owner = owner(|l| {
        sized(l);
        l.set_memory_bytes(4 * FRAME as u64).unwrap();
    });
    let (mut public, mut private) = (rig(&owner, sized), rig(&owner, sized));
    let mut kept = Vec::new();
    for nth in 1_u8.. {
        let one = if nth % 2 == 0 {
            &mut public
        } else {
            &mut private
        };
        from(one, &format!("192.0.2.{nth}:1"));
        let (ours, mut peer) = one.connect().await;
        let control = ours.io.control();
        let (mut frames, _sender) = framed(ours.io, &control);
        let sent = tokio::spawn(async move {
            let header = u32::try_from(FRAME).unwrap().to_be_bytes();
            let _ = peer.io.write_all(&header).await;
            let _ = peer.io.write_all(&[7; FRAME]).await;
            peer
        });
        let Ok(frame) = timeout(Duration::from_secs(1), frames.read_frame()).await else {
            break;
        };
        kept.push((frame.unwrap().unwrap(), sent));
    }
    // A peer finds as much as is free, a quarter at most; then the next one parks.
    let held = owner.memory_held();
    assert!(held <= 4 * FRAME as u64 && kept.len() >= 2, "{held}");
    let both = [&public, &private].map(|rig| rig.recorder.memory_held());
    assert!(both.iter().all(|held| *held >= FRAME as i64), "{both:?}");
    drop(kept);
    assert_eq!(owner.memory_held(), 0);
}

#[tokio::test(start_paused = true)]
async fn closed_limiter_returns_its_places() {
    let (owner, mut public, mut private) = two(|l| {
        l.set_max_conns(2).unwrap();
        l.set_peer_max_conns(2).unwrap();
    });
    let held = (public.connect().await, public.connect().await);
    let _peer = private.dialer.dial(&anywhere()).await.unwrap();
    public.limiter.close();
    assert_eq!(owner.admitted(), 0);
    drop(held);
    public
        .recorder
        .wait_for("closes", |s| s.inflight() == 0)
        .await;
    drop(public);
    assert_eq!((owner.admitted(), owner.pending()), (0, 0));
    let _first = private.guard.accept().await.establish().await.unwrap();
    let _second = private.connect().await;
    assert_eq!(owner.admitted(), 2);
    assert_eq!(private.recorder.inflight(), 2);
}

#[tokio::test(start_paused = true)]
async fn drain_and_overload_of_one() {
    let (_, mut public, mut private) = two(|_| ());
    let (ours, _peer) = private.connect().await;
    public.limiter.drain();
    public.limiter.set_overloaded(true);
    refused(&mut public, Reason::Draining).await;
    assert!(!private.limiter.is_overloaded());
    let (mut more, mut peer) = private.connect().await;
    ping(&mut more.io, &mut peer.io).await;
    let draining = ours.io.control();
    assert!(timeout(Duration::from_secs(1), draining.draining())
        .await
        .is_err());
}

#[tokio::test(start_paused = true)]
async fn deadlines_and_rules_are_own() {
    let owner = owner(|_| ());
    let mut public = rig(&owner, |l| {
        deadlines(l, |d| d.idle = Duration::from_secs(3));
        l.set_denied_peers(IpPrefixes::parse(&["192.0.2.0/24"]).unwrap());
    });
    let mut private = rig(&owner, |l| {
        deadlines(l, |d| d.idle = Duration::from_secs(7));
    });
    from(&mut public, "192.0.2.1:1");
    from(&mut private, "192.0.2.1:1");
    refused(&mut public, Reason::Denied).await;
    from(&mut public, "198.51.100.1:1");
    for (rig, idle) in [(&mut public, 3), (&mut private, 7)] {
        let (mut ours, _peer) = rig.connect().await;
        let started = Instant::now();
        let error = ours.io.read_u8().await.unwrap_err();
        let error = TransportError::from(error);
        assert!(
            matches!(error, TransportError::Timeout { op: Op::Idle }),
            "{error}"
        );
        assert_took(started.elapsed(), Duration::from_secs(idle));
    }
}

#[tokio::test(start_paused = true)]
async fn owner_changes_ceilings_of_all() {
    let (owner, mut public, mut private) = two(|_| ());
    let _open = (public.connect().await, private.connect().await);
    let fewer = Limits::new().with_max_conns(2).unwrap();
    owner
        .apply(&fewer.clone().with_memory_bytes(64 << 20).unwrap())
        .unwrap();
    for rig in [&mut public, &mut private] {
        refused(rig, Reason::ConnLimit).await;
        assert_eq!(rig.limiter.limits().max_conns(), 2);
        assert_eq!(rig.recorder.snapshot().memory_limit, 64 << 20);
    }
}

#[tokio::test(start_paused = true)]
async fn owner_wakes_throttled_of_all() {
    let slow = |l: &mut Limits| {
        let rate = chunk_in(l, Duration::from_secs(5));
        rates(l, |r| r.global_ingress = rate);
    };
    let owner = owner(slow);
    let mut private = rig(&owner, |l| {
        chunk_in(l, Duration::from_secs(5));
    });
    let (mut ours, mut peer) = private.connect().await;
    peer.io.write_all(&[7; 16 << 10]).await.unwrap();
    let mut read = vec![0; 16 << 10];
    let reading = tokio::spawn(async move { ours.io.read_exact(&mut read).await.map(|_| ours) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!reading.is_finished());
    let started = Instant::now();
    owner.apply(&Limits::default()).unwrap();
    let _ours = reading.await.unwrap().unwrap();
    assert_took(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn joined_limiter_cannot_change_ceilings() {
    let (owner, public, _) = two(|l| {
        l.set_max_conns(2000).unwrap();
    });
    let own = Limits::new().with_max_conns(500).unwrap();
    let error = public.limiter.apply(&own).unwrap_err().to_string();
    assert_eq!(
        error,
        "max_conns: is 500 here and 2000 in the shared limiter: remove it here, or change the \
         shared limiter"
    );
    let built = Limiter::builder().share(&owner).limits(own).build();
    assert_eq!(built.unwrap_err().to_string(), error);
    let networks = owner.limits().with_ipv4_prefix(24).unwrap();
    let error = owner.apply(&networks).unwrap_err().to_string();
    assert!(
        error.starts_with("per_peer.ipv4_prefix: cannot change"),
        "{error}"
    );
    // The default counts as not set, and the shared value may be repeated.
    public.limiter.apply(&Limits::default()).unwrap();
    public.limiter.apply(&owner.limits()).unwrap();
    assert_eq!(public.limiter.limits().max_conns(), 2000);
    assert_eq!(owner.limits().max_conns(), 2000);
}

#[tokio::test(start_paused = true)]
async fn last_limiter_keeps_ceilings() {
    let (owner, public, mut private) = two(|l| {
        l.set_max_conns(1).unwrap();
    });
    drop((owner, public));
    let _only = private.connect().await;
    refused(&mut private, Reason::ConnLimit).await;
}

/// Every key is shared or own, as the list says.
#[test]
fn shared_keys_are_those_of_ceilings() {
    let (own, mut ceilings) = (Limits::default(), Limits::default());
    for path in own.keys().iter().map(|key| key.path) {
        let other = match path {
            "overflow" => "evict",
            "peers.allow" | "peers.deny" => "192.0.2.0/24",
            "amnesia" => "on",
            "limits.max_frame_bytes" => "512KiB",
            "limits.chunk_bytes" => "32KiB",
            "limits.memory_bytes" => "64MiB",
            "per_peer.ipv4_prefix" => "24",
            "per_peer.ipv6_prefix" => "56",
            "max_lifetime" | "evict_after" => "77s",
            _ if path.ends_with("_timeout") => "77s",
            _ => "77",
        };
        ceilings.set(path, &other.into()).unwrap();
    }
    let merged = own.with_ceilings(&ceilings);
    for key in ceilings.keys() {
        let from = if Limits::SHARED_KEYS.contains(&key.path) {
            &ceilings
        } else {
            &own
        };
        assert_eq!(merged.get(key.path), from.get(key.path), "{}", key.path);
        assert_ne!(own.get(key.path), ceilings.get(key.path), "{}", key.path);
    }
    let known: Vec<_> = ceilings.keys().iter().map(|key| key.path).collect();
    assert!(Limits::SHARED_KEYS.iter().all(|path| known.contains(path)));
}
