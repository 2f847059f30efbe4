//! Token buckets and count limits.
//!
//! A rate of one token a second and a burst of three keep the numbers small.

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;

use crate::bucket::{Rate, TokenBucket};
use crate::clock::SECOND;
use crate::count_limit::CountLimit;

const NOW: u64 = 1_000 * SECOND;

/// Three tokens at once, one more each second.
fn rate() -> Rate {
    Rate::bytes(1, 3).unwrap()
}

/// Takes all tokens of a bucket; returns how many there were.
fn left(bucket: &TokenBucket, now: u64) -> u64 {
    bucket
        .take(now, rate(), 3, 0)
        .map_or(0, |grant| grant.tokens())
}

#[test]
fn shared_bucket_never_overspends() {
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
        assert_eq!(spent, 3, "exactly the burst");
        assert_eq!(left(&bucket, NOW), 0);
    });
}

#[test]
fn concurrent_refunds_add_up() {
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
fn count_limit_holds_and_returns_to_zero() {
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
        assert!(mine || theirs, "at least one enters");
        assert_eq!(limit.inside(), 0);
    });
}

#[test]
fn lowered_limit_refuses_the_next() {
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
        assert!(!late, "refused after the limit is 0");
        other.join().unwrap();
        assert_eq!(limit.inside(), 0);
    });
}
