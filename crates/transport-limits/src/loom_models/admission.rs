//! Permits and eviction.

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;
use transport_core::{Backend, ConnInfo, Direction, NoObserver, PeerAddr, Plain};

use super::check_bounded;
use crate::conn_state::ConnState;
use crate::io::GuardedIo;
use crate::limiter::Limiter;
use crate::permit::Permit;
use crate::settings::{Limits, Overflow};

fn limiter(tune: impl FnOnce(&mut Limits)) -> Limiter {
    let mut limits = Limits::default();
    tune(&mut limits);
    Limiter::new(&limits, std::sync::Arc::new(NoObserver)).unwrap()
}

fn admit(limiter: &Limiter, peer: u32) -> Option<Permit> {
    let now = limiter.core().now();
    limiter.admit(Backend::Uds, PeerAddr::Uid(peer), now).ok()
}

fn assert_nothing_left(limiter: &Limiter) {
    let admission = limiter.core().admission();
    assert_eq!((admission.inside(), admission.pending_inside()), (0, 0));
    assert_eq!(admission.peers().tracked(), 0);
    assert_eq!(admission.peers().max_conns(), 0);
}

/// Admits two connections under a cap of one.
fn permits(peers: [u32; 2], tune: fn(&mut Limits)) {
    check_bounded(3, move || {
        let limiter = limiter(tune);
        let inside = Arc::new(AtomicU64::new(0));
        let visit = |limiter: &Limiter, inside: &AtomicU64, peer: u32| {
            let Some(mut permit) = admit(limiter, peer) else {
                return false;
            };
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            permit.established();
            inside.fetch_sub(1, Ordering::Relaxed);
            true
        };
        let other = {
            let (limiter, inside) = (limiter.clone(), Arc::clone(&inside));
            thread::spawn(move || visit(&limiter, &inside, peers[1]))
        };
        let mine = visit(&limiter, &inside, peers[0]);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "at least one is admitted");
        assert_nothing_left(&limiter);
    });
}

#[test]
fn permits_of_two_peers_returned() {
    permits([1, 2], |limits| {
        limits.set_max_conns(1).unwrap();
    });
}

/// Two limiters that share ceilings have one place.
#[test]
fn permits_of_two_limiters_returned() {
    check_bounded(3, || {
        let owner = limiter(|limits| {
            limits.set_max_conns(1).unwrap();
        });
        let other = Limiter::builder().share(&owner).build().unwrap();
        let inside = Arc::new(AtomicU64::new(0));
        let visit = |limiter: &Limiter, inside: &AtomicU64| {
            let Some(permit) = admit(limiter, 1) else {
                return false;
            };
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            inside.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
            true
        };
        let theirs = {
            let (limiter, inside) = (other.clone(), Arc::clone(&inside));
            thread::spawn(move || visit(&limiter, &inside))
        };
        let mine = visit(&owner, &inside);
        assert!(theirs.join().unwrap() || mine, "at least one is admitted");
        assert_nothing_left(&owner);
        assert_eq!((owner.pending(), other.pending()), (0, 0));
    });
}

#[test]
fn permits_of_one_peer_returned() {
    permits([1, 1], |limits| {
        limits.set_peer_max_conns(1).unwrap();
    });
}

/// A peer's pending place has one user, and is given back.
#[test]
fn pending_place_of_peer_returned() {
    check_bounded(3, || {
        let limiter = limiter(|limits| {
            limits.set_peer_pending_handshakes(1).unwrap();
        });
        let pending = Arc::new(AtomicU64::new(0));
        let visit = |limiter: &Limiter, pending: &AtomicU64| {
            let Some(mut permit) = admit(limiter, 1) else {
                return false;
            };
            assert_eq!(pending.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            pending.fetch_sub(1, Ordering::Relaxed);
            permit.established();
            true
        };
        let other = {
            let (limiter, pending) = (limiter.clone(), Arc::clone(&pending));
            thread::spawn(move || visit(&limiter, &pending))
        };
        let mine = visit(&limiter, &pending);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "at least one is admitted");
        assert_nothing_left(&limiter);
        drop(admit(&limiter, 1).unwrap());
    });
}

/// Returns a limiter with one place, held by an evictable connection.
fn one_idle() -> (Limiter, GuardedIo<Plain<tokio::io::Empty>>) {
    let limiter = limiter(|limits| {
        limits.set_max_conns(1).unwrap();
        limits.set_overflow(Overflow::Evict);
    });
    let core = limiter.core();
    core.admission().set_evict_after(0);
    let mut permit = admit(&limiter, 1).unwrap();
    let peer = permit.established();
    let (settings, core) = (core.settings(), std::sync::Arc::clone(core));
    let info = std::sync::Arc::new(ConnInfo::new(Backend::Uds, None));
    let conn = ConnState::new(info, core, settings, peer, 0);
    // Framed and answered: idle without a pause.
    conn.activity.framed.store(true, Ordering::Relaxed);
    conn.activity.moved(Direction::Out, 0);
    let io = Plain(tokio::io::empty());
    let io = GuardedIo::new(io, conn, permit, limiter.registry());
    (limiter, io)
}

/// Returns the taken places and the surplus of a limiter.
fn places(limiter: &Limiter) -> (u64, u64) {
    let admission = limiter.core().admission();
    (admission.conns.inside(), admission.surplus.inside())
}

/// An eviction during the handler's drop frees the place once.
#[test]
fn evicted_place_returned_once() {
    check_bounded(3, || {
        let (limiter, io) = one_idle();
        let dropping = thread::spawn(move || drop(io));
        let permit = admit(&limiter, 2);
        dropping.join().unwrap();
        assert_eq!(places(&limiter), (u64::from(permit.is_some()), 0));
        drop(permit);
        assert_eq!(places(&limiter), (0, 0));
        assert_nothing_left(&limiter);
    });
}

/// One of two new connections takes the place of the idle one.
#[test]
fn evicted_place_goes_to_one() {
    check_bounded(2, || {
        let (limiter, io) = one_idle();
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || admit(&limiter, 2))
        };
        let mine = admit(&limiter, 3);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some(), "one of the two");
        assert_eq!(places(&limiter), (1, 1));
        drop(io);
        assert_eq!(places(&limiter), (1, 0));
        drop((mine, theirs));
        assert_eq!(places(&limiter), (0, 0));
        assert_nothing_left(&limiter);
    });
}

/// A hop's surplus place passes to the connection that it evicts.
#[test]
fn surplus_place_of_hop_passes_on() {
    check_bounded(3, || {
        let (limiter, io) = one_idle();
        let dropping = thread::spawn(move || drop(io));
        let permit = limiter.admit_hop(Backend::Uds).ok().and_then(|mut permit| {
            let peer = PeerAddr::Uid(2);
            let admitted = limiter.admit_identified(&mut permit, Backend::Uds, peer, false);
            admitted.ok().map(|()| permit)
        });
        dropping.join().unwrap();
        assert_eq!(places(&limiter), (u64::from(permit.is_some()), 0));
        drop(permit);
        assert_eq!(places(&limiter), (0, 0));
        assert_nothing_left(&limiter);
    });
}
