//! The memory budget. A lost wake-up would be a deadlock.

use loom::future::block_on;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;
use transport_core::NoObserver;

use super::check_bounded;
use crate::budget::{Budget, FreeChunk, MemoryAccount, SharedBudget};

const ACCOUNT: MemoryAccount = MemoryAccount::Conn(1);

fn budget() -> Budget {
    Budget::new(&SharedBudget::new(40), std::sync::Arc::new(NoObserver))
}

#[test]
fn freed_memory_wakes_waiter() {
    loom::model(|| {
        let budget = budget();
        let held = budget.take(ACCOUNT, 10).unwrap();
        let other = {
            let budget = budget.clone();
            thread::spawn(move || {
                let charge = match budget.take(ACCOUNT, 10) {
                    Some(charge) => charge,
                    None => block_on(budget.wait(ACCOUNT, 10)),
                };
                drop(charge);
            })
        };
        drop(held);
        other.join().unwrap();
        assert!(budget.take(ACCOUNT, 10).is_some(), "all bytes are free");
    });
}

/// Bytes of a raised limit go to the waiting request.
#[test]
fn raised_limit_wakes_waiter() {
    loom::model(|| {
        let shared = SharedBudget::new(40);
        let budget = Budget::new(&shared, std::sync::Arc::new(NoObserver));
        let _held = budget.take(ACCOUNT, 10).unwrap();
        let other = {
            let budget = budget.clone();
            thread::spawn(move || drop(block_on(budget.wait(ACCOUNT, 10))))
        };
        shared.set_limit(80);
        other.join().unwrap();
        assert_eq!(budget.held(), 10);
    });
}

/// Two users of one account hold at most its share.
#[test]
fn share_holds_over_two_users() {
    loom::model(|| {
        let shared = SharedBudget::new(40);
        let user = || Budget::new(&shared, std::sync::Arc::new(NoObserver));
        let (budget, other) = (user(), user());
        let take = |budget: &Budget| budget.take(ACCOUNT, 6);
        let theirs = thread::spawn(move || take(&other));
        let mine = take(&budget);
        let theirs = theirs.join().unwrap();
        assert!(mine.is_some() != theirs.is_some(), "one of the two");
        assert_eq!(budget.held(), 6);
        drop((mine, theirs));
        assert_eq!(budget.held(), 0);
    });
}

/// A request dropped while it is granted passes its memory on.
#[test]
fn dropped_request_wakes_next() {
    check_bounded(3, || {
        let budget = budget();
        let held = budget.take(ACCOUNT, 10).unwrap();
        let (dropped, waits) = (budget.wait(ACCOUNT, 10), budget.wait(ACCOUNT, 10));
        let other = thread::spawn(move || drop(block_on(waits)));
        let freeing = thread::spawn(move || drop(held));
        drop(dropped);
        other.join().unwrap();
        freeing.join().unwrap();
        assert!(budget.take(ACCOUNT, 10).is_some(), "all bytes are free");
    });
}

#[test]
fn free_chunk_has_one_user() {
    loom::model(|| {
        let budget = budget();
        let (chunk, inside) = (FreeChunk::default(), Arc::new(AtomicU64::new(0)));
        let visit = |chunk: &FreeChunk, budget: &Budget, inside: &AtomicU64| {
            let Some(guard) = chunk.take(budget, 1) else {
                return false;
            };
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
            inside.fetch_sub(1, Ordering::Relaxed);
            drop(guard);
            true
        };
        let other = {
            let (chunk, budget, inside) = (chunk.clone(), budget.clone(), Arc::clone(&inside));
            thread::spawn(move || visit(&chunk, &budget, &inside))
        };
        let mine = visit(&chunk, &budget, &inside);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "at least one takes it");
        let again = chunk.take(&budget, 1);
        assert!(again.is_some(), "it is given back");
    });
}
