//! Every interleaving of what is lock-free and shared: `cargo xtask loom`.
//!
//! Ticks are passed in, so a model has no clock. A rate of one token a second and a burst of three
//! keep the arithmetic in sight.

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;

use crate::bucket::{Bucket, Rate};
use crate::clock::SECOND;
use crate::gate::Gate;

const NOW: u64 = 1_000 * SECOND;

/// Three tokens at once, one more each second.
fn rate() -> Rate {
    Rate::bytes(1, 3).unwrap()
}

/// What is left in a bucket, by taking all of it.
fn left(bucket: &Bucket, now: u64) -> u64 {
    bucket
        .take(now, rate(), 3, 0)
        .map_or(0, |grant| grant.tokens())
}

#[test]
fn a_shared_bucket_never_overspends() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::default());
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
        let bucket = Arc::new(Bucket::default());
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
fn a_place_in_line_is_given_back_whole() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::default());
        let waiter = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || {
                let (grant, _) = bucket.reserve(NOW, rate(), 2);
                bucket.settle(grant, 0);
            })
        };
        let taken = match bucket.take(NOW, rate(), 3, 1) {
            Ok(grant) => grant.tokens(),
            Err(_) => 0,
        };
        waiter.join().unwrap();
        assert_eq!(left(&bucket, NOW), 3 - taken);
    });
}

#[test]
fn waiters_stand_one_behind_the_other() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::default());
        let _spent = bucket.take(NOW, rate(), 3, 3).unwrap();
        let other = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.reserve(NOW, rate(), 1).1)
        };
        let mine = bucket.reserve(NOW, rate(), 1).1;
        let mut due = [mine, other.join().unwrap()];
        due.sort_unstable();
        assert_eq!(due, [NOW + SECOND, NOW + 2 * SECOND]);
    });
}

#[test]
fn a_gate_holds_and_comes_back_to_zero() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        let inside = Arc::new(AtomicU64::new(0));
        let visit = |gate: &Gate, inside: &AtomicU64| {
            if !gate.enter() {
                return false;
            }
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            inside.fetch_sub(1, Ordering::Relaxed);
            gate.leave();
            true
        };
        let other = {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            thread::spawn(move || visit(&gate, &inside))
        };
        let mine = visit(&gate, &inside);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "somebody gets in");
        assert_eq!(gate.inside(), 0);
    });
}

#[test]
fn a_gate_that_narrows_turns_nobody_out() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(2));
        let other = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let entered = gate.enter();
                if entered {
                    gate.leave();
                }
            })
        };
        gate.set_max(0);
        let late = gate.enter();
        assert!(!late, "nobody enters after it is closed to us");
        other.join().unwrap();
        assert_eq!(gate.inside(), 0);
    });
}
