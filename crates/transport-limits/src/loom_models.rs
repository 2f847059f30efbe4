//! Every interleaving of what is lock-free and shared: `cargo xtask loom`.
//!
//! Ticks are passed in, so a model has no clock. A rate of one token a second and a burst of three
//! keep the arithmetic in sight.

#![allow(clippy::unwrap_used)]

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use loom::future::block_on;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;
use tokio::io::AsyncWrite;
use transport_core::{
    Backend, CloseReason, ConnInfo, Connection, Direction, NoObserver, Observer, PeerAddr, Plain,
};

use crate::admission::Permit;
use crate::bucket::{Rate, TokenBucket};
use crate::budget::{Budget, FreeChunk, MemoryAccount};
use crate::clock::SECOND;
use crate::conn_state::ConnState;
use crate::count_limit::CountLimit;
use crate::guard::guarded;
use crate::io::GuardedIo;
use crate::limiter::Limiter;
use crate::settings::{Limits, Overflow};

const NOW: u64 = 1_000 * SECOND;

/// Three tokens at once, one more each second.
fn rate() -> Rate {
    Rate::bytes(1, 3).unwrap()
}

/// What is left in a bucket, by taking all of it.
fn left(bucket: &TokenBucket, now: u64) -> u64 {
    bucket
        .take(now, rate(), 3, 0)
        .map_or(0, |grant| grant.tokens())
}

#[test]
fn a_shared_bucket_never_overspends() {
    loom::model(|| {
        let bucket = Arc::new(TokenBucket::default());
        let spent = Arc::new(AtomicU64::new(0));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let (bucket, spent) = (Arc::clone(&bucket), Arc::clone(&spent));
                thread::spawn(move || {
                    if let Ok(grant) = bucket.take(NOW, rate(), 2, 1) {
                        spent.fetch_add(grant.tokens(), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for taker in takers {
            taker.join().unwrap();
        }
        let spent = spent.load(Ordering::Relaxed);
        assert_eq!(spent, 3, "the burst, and not a token more or less");
        assert_eq!(left(&bucket, NOW), 0);
    });
}

#[test]
fn no_refund_is_lost() {
    loom::model(|| {
        let bucket = Arc::new(TokenBucket::default());
        let users: Vec<_> = [0, 1]
            .into_iter()
            .map(|used| {
                let bucket = Arc::clone(&bucket);
                thread::spawn(move || match bucket.take(NOW, rate(), 2, 1) {
                    Ok(grant) => {
                        let used = used.min(grant.tokens());
                        bucket.settle(grant, used);
                        used
                    }
                    Err(_) => 0,
                })
            })
            .collect();
        let used: u64 = users.into_iter().map(|user| user.join().unwrap()).sum();
        assert_eq!(left(&bucket, NOW), 3 - used);
    });
}

#[test]
fn a_gate_holds_and_comes_back_to_zero() {
    loom::model(|| {
        let limit = Arc::new(CountLimit::new(1));
        let inside = Arc::new(AtomicU64::new(0));
        let visit = |limit: &CountLimit, inside: &AtomicU64| {
            if !limit.enter() {
                return false;
            }
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            inside.fetch_sub(1, Ordering::Relaxed);
            limit.leave();
            true
        };
        let other = {
            let (limit, inside) = (Arc::clone(&limit), Arc::clone(&inside));
            thread::spawn(move || visit(&limit, &inside))
        };
        let mine = visit(&limit, &inside);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "somebody gets in");
        assert_eq!(limit.inside(), 0);
    });
}

#[test]
fn a_gate_that_narrows_turns_nobody_out() {
    loom::model(|| {
        let limit = Arc::new(CountLimit::new(2));
        let other = {
            let limit = Arc::clone(&limit);
            thread::spawn(move || {
                let entered = limit.enter();
                if entered {
                    limit.leave();
                }
            })
        };
        limit.set_max(0);
        let late = limit.enter();
        assert!(!late, "nobody enters after it is closed to us");
        other.join().unwrap();
        assert_eq!(limit.inside(), 0);
    });
}

/// Connections come and go under a cap of one, through everything that admission asks.
fn permits(peers: [u32; 2], tune: fn(&mut Limits)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let mut limits = Limits::default();
        tune(&mut limits);
        let limiter = Limiter::new(&limits, std::sync::Arc::new(NoObserver)).unwrap();
        let inside = Arc::new(AtomicU64::new(0));
        let visit = |limiter: &Limiter, inside: &AtomicU64, peer: u32| {
            let admitted = Permit::admit(limiter, Backend::Uds, PeerAddr::Uid(peer), limiter.now());
            let Ok(mut permit) = admitted else {
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
        assert!(mine || theirs, "somebody gets in");
        let admission = limiter.admission();
        assert_eq!((admission.inside(), admission.pending_inside()), (0, 0));
        assert_eq!(admission.peers().tracked(), 0);
        assert_eq!(admission.peers().max_conns(), 0);
    });
}

#[test]
fn permits_of_two_peers_come_back() {
    permits([1, 2], |limits| {
        limits.set_max_conns(1).unwrap();
    });
}

#[test]
fn permits_of_one_peer_come_back() {
    permits([1, 1], |limits| {
        limits.set_peer_max_conns(1).unwrap();
    });
}

/// The place of a peer among the pending handshakes: one at a time, and it comes back.
#[test]
fn pending_place_of_a_peer_comes_back() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let mut limits = Limits::default();
        limits.set_peer_pending_handshakes(1).unwrap();
        let limiter = Limiter::new(&limits, std::sync::Arc::new(NoObserver)).unwrap();
        let pending = Arc::new(AtomicU64::new(0));
        let admit = |limiter: &Limiter| {
            Permit::admit(limiter, Backend::Uds, PeerAddr::Uid(1), limiter.now())
        };
        let visit = move |limiter: &Limiter, pending: &AtomicU64| {
            let Ok(mut permit) = admit(limiter) else {
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
        assert!(mine || theirs, "one of the two is admitted");
        let admission = limiter.admission();
        assert_eq!((admission.inside(), admission.pending_inside()), (0, 0));
        assert_eq!(admission.peers().tracked(), 0);
        drop(admit(&limiter).unwrap());
    });
}

/// A limiter whose one place is held by an idle connection that may be evicted at once.
fn one_idle() -> (Limiter, GuardedIo<Plain<tokio::io::Empty>>) {
    let mut limits = Limits::default();
    limits.set_max_conns(1).unwrap();
    limits.set_overflow(Overflow::Evict);
    let limiter = Limiter::new(&limits, std::sync::Arc::new(NoObserver)).unwrap();
    let admission = limiter.admission();
    admission.evict_after.store(0, Ordering::Relaxed);
    let mut permit = newcomer(&limiter, 1).unwrap();
    permit.established();
    let (settings, peer) = (limiter.settings(), permit.peer());
    let conn = ConnState::new(1, Backend::Uds, limiter.clone(), settings, None, peer, 0);
    // Framed and answered: idle without a pause.
    conn.activity.framed.store(true, Ordering::Relaxed);
    conn.activity.moved(Direction::Out, 0);
    let io = GuardedIo::new(Plain(tokio::io::empty()), conn, permit);
    (limiter, io)
}

fn newcomer(limiter: &Limiter, peer: u32) -> Option<Permit> {
    Permit::admit(limiter, Backend::Uds, PeerAddr::Uid(peer), limiter.now()).ok()
}

/// Places and surplus of a limiter.
fn places(limiter: &Limiter) -> (u64, u64) {
    let admission = limiter.admission();
    (admission.conns.inside(), admission.surplus.inside())
}

/// A connection that is evicted while its handler drops it gives its place back once.
#[test]
fn evicted_place_comes_back_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (limiter, io) = one_idle();
        let dropping = thread::spawn(move || drop(io));
        let permit = newcomer(&limiter, 2);
        dropping.join().unwrap();
        assert_eq!(places(&limiter), (u64::from(permit.is_some()), 0));
        drop(permit);
        assert_eq!(places(&limiter), (0, 0));
        assert_eq!(limiter.admission().peers().tracked(), 0);
    });
}

/// Of two newcomers one takes the place of the idle connection.
#[test]
fn evicted_place_has_one_heir() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let (limiter, io) = one_idle();
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || newcomer(&limiter, 2))
        };
        let mine = newcomer(&limiter, 3);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some(), "one of the two");
        assert_eq!(places(&limiter), (1, 1));
        drop(io);
        assert_eq!(places(&limiter), (1, 0));
        drop((mine, theirs));
        assert_eq!(places(&limiter), (0, 0));
        assert_eq!(limiter.admission().peers().tracked(), 0);
    });
}

const ME: MemoryAccount = MemoryAccount::Conn(1);

/// Memory that is given back wakes the request that waits for it: a lost wake-up is a deadlock.
#[test]
fn freed_memory_wakes_a_waiter() {
    loom::model(|| {
        let budget = Budget::new(40, std::sync::Arc::new(NoObserver));
        let held = budget.take(ME, 10).unwrap();
        let other = {
            let budget = budget.clone();
            thread::spawn(move || {
                let charge = match budget.take(ME, 10) {
                    Some(charge) => charge,
                    None => block_on(budget.wait(ME, 10)),
                };
                drop(charge);
            })
        };
        drop(held);
        other.join().unwrap();
        assert!(budget.take(ME, 10).is_some(), "nothing is lost");
    });
}

/// A request that is given up while it is granted hands its memory on.
#[test]
fn dropped_request_wakes_the_next() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let budget = Budget::new(40, std::sync::Arc::new(NoObserver));
        let held = budget.take(ME, 10).unwrap();
        let (given_up, waits) = (budget.wait(ME, 10), budget.wait(ME, 10));
        let other = thread::spawn(move || drop(block_on(waits)));
        let freeing = thread::spawn(move || drop(held));
        drop(given_up);
        other.join().unwrap();
        freeing.join().unwrap();
        assert!(budget.take(ME, 10).is_some(), "nothing is lost");
    });
}

/// The free chunk is one at a time.
#[test]
fn spare_chunk_has_one_user() {
    loom::model(|| {
        let budget = Budget::new(40, std::sync::Arc::new(NoObserver));
        let (spare, inside) = (FreeChunk::default(), Arc::new(AtomicU64::new(0)));
        let visit = |spare: &FreeChunk, budget: &Budget, inside: &AtomicU64| {
            let Some(chunk) = spare.take(budget, 1) else {
                return false;
            };
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            inside.fetch_sub(1, Ordering::Relaxed);
            drop(chunk);
            true
        };
        let other = {
            let (spare, budget, inside) = (spare.clone(), budget.clone(), Arc::clone(&inside));
            thread::spawn(move || visit(&spare, &budget, &inside))
        };
        let mine = visit(&spare, &budget, &inside);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "somebody gets it");
        let again = spare.take(&budget, 1);
        assert!(again.is_some(), "it is given back");
    });
}

/// Counts closes.
#[derive(Default)]
struct Closes(std::sync::atomic::AtomicU64);

impl Observer for Closes {
    fn closed(&self, _: Backend, _: CloseReason) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The owner of a stream and a cancel close it once between them, and its place comes back.
#[test]
fn stream_closed_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let closes = std::sync::Arc::new(Closes::default());
        let limiter = Limiter::new(&Limits::default(), closes.clone()).unwrap();
        let peer = PeerAddr::Uid(1);
        let now = limiter.now();
        let permit = Permit::admit(&limiter, Backend::Uds, peer, now).unwrap();
        let info = ConnInfo::new(Backend::Uds, Some(peer));
        let connection = Connection::new(Plain(tokio::io::empty()), info);
        let settings = limiter.settings();
        let guarded = guarded(&limiter, permit, 1, connection, settings, now);
        let mut stream = guarded.io;
        let control = stream.control();
        let canceller = thread::spawn(move || control.cancel());
        block_on(poll_fn(|cx| {
            let _ = Pin::new(&mut stream).poll_flush(cx);
            Poll::Ready(())
        }));
        drop(stream);
        canceller.join().unwrap();
        assert_eq!(closes.0.load(Ordering::Relaxed), 1);
        assert_eq!((limiter.admission().inside(), limiter.open()), (0, 0));
    });
}
