//! The order of grants, and property tests of the sums.

use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 1000;
const RESERVE: u64 = 250;

fn conn(n: u64) -> MemoryAccount {
    MemoryAccount::Conn(n)
}

/// Adds a request that wakes no other request.
fn wait(ledger: &mut BudgetLedger<u64>, account: MemoryAccount, bytes: u64) -> RequestId {
    let (ticket, granted) = ledger.wait(account, bytes);
    assert!(granted.is_empty());
    ticket
}

/// Takes all bytes that one account gets, piece by piece.
fn fill(ledger: &mut BudgetLedger<u64>, account: MemoryAccount, piece: u64) -> u64 {
    while ledger.take(account, piece) {}
    ledger.held_by(account)
}

#[test]
fn lone_account_gets_a_quarter() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
    assert_eq!(fill(&mut ledger, conn(1), 1), LIMIT / 4);
}

/// From four accounts on, each gets one part of n + 1. A new account gets as much.
#[test]
fn accounts_leave_one_more_equal_share() {
    for hogs in [4, 7, 9, 99] {
        let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
        // In turn.
        let mut grown = true;
        while grown {
            grown = (0..hogs).filter(|n| ledger.take(conn(*n), 1)).count() > 0;
        }
        let part = LIMIT / (hogs + 1);
        for n in 0..hogs {
            let held = ledger.held_by(conn(n));
            assert!(held.abs_diff(part) <= 1, "{held} of {part}, {hogs} hogs");
        }
        let free = LIMIT - ledger.held();
        assert!(free >= part, "{free} are free of {part}");
        assert!(ledger.take(conn(1000), free / 2), "a new account");
    }
}

#[test]
fn only_smaller_accounts_pass_a_waiting_one() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
    for (n, bytes) in [(1, 100), (3, 200), (5, 100), (6, 250), (7, 100)] {
        assert!(ledger.take(conn(n), bytes), "account {n}");
    }
    let _waits = wait(&mut ledger, conn(5), 100);
    for (n, passes) in [(1, false), (3, false), (5, false), (8, true)] {
        assert_eq!(ledger.has_room(conn(n), 1), passes, "account {n}");
        assert_eq!(ledger.take(conn(n), 1), passes, "account {n}");
    }
}

#[test]
fn smallest_account_served_first() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
    for n in 0..4 {
        fill(&mut ledger, conn(n), 10);
    }
    let hog = wait(&mut ledger, conn(3), 20);
    let poor = wait(&mut ledger, conn(9), 100);
    assert!(!ledger.poll(hog, 0) && !ledger.poll(poor, 9));
    // Freed bytes add up for the first in order, although the other request fits earlier.
    assert!(ledger.give_back(conn(1), 50).is_empty());
    assert_eq!(ledger.give_back(conn(2), 20), [9]);
    assert!(ledger.poll(poor, 9) && !ledger.poll(hog, 0));
}

#[test]
fn full_account_delays_no_other() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
    fill(&mut ledger, conn(1), 10);
    let waits = wait(&mut ledger, conn(1), 10);
    assert!(ledger.take(conn(2), 200));
    assert!(!ledger.take(conn(1), 1), "an earlier request waits");
    assert!(ledger.give_back(conn(2), 200).is_empty());
    assert!(!ledger.poll(waits, 1));
    assert_eq!(ledger.give_back(conn(1), 10), [1]);
}

#[test]
fn request_over_share_granted_when_alone() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
    assert!(ledger.take(conn(1), 300), "the only one of its account");
    let over = wait(&mut ledger, conn(2), 2 * LIMIT);
    assert!(!ledger.poll(over, 2));
    assert_eq!(
        ledger.give_back(conn(1), 300),
        [2],
        "no other bytes are held"
    );
}

#[test]
fn changed_limit_grants_but_never_revokes() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
    fill(&mut ledger, conn(1), 50);
    let waits = wait(&mut ledger, conn(1), 50);
    assert!(!ledger.poll(waits, 7));
    assert_eq!(ledger.set_limit(2 * LIMIT, 0), [7]);
    assert!(ledger.set_limit(100, 0).is_empty());
    assert_eq!(ledger.held(), 300);
    assert!(!ledger.take(conn(2), 1));
}

#[test]
fn cancelled_grant_goes_to_next() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
    fill(&mut ledger, conn(1), 50);
    let (first, second) = (
        wait(&mut ledger, conn(1), 50),
        wait(&mut ledger, conn(1), 50),
    );
    assert!(!ledger.poll(first, 1) && !ledger.poll(second, 2));
    assert_eq!(ledger.give_back(conn(1), 50), [1]);
    assert_eq!(ledger.cancel(first), [2]);
    assert!(ledger.poll(second, 2));
    assert_eq!(ledger.held(), 250);
}

#[test]
fn reserve_granted_one_at_a_time_by_arrival() {
    let mut ledger = BudgetLedger::<u64>::new(LIMIT, RESERVE);
    for n in 0..9 {
        fill(&mut ledger, conn(n), 1);
    }
    let open = ledger.held();
    assert!(open <= LIMIT - RESERVE, "{open} bytes");
    let (first, granted) = ledger.wait_entitled(conn(1), RESERVE);
    assert!(granted.is_empty() && ledger.poll(first, 1));
    let (second, _) = ledger.wait_entitled(conn(2), RESERVE);
    let (third, _) = ledger.wait_entitled(conn(3), RESERVE);
    assert!(!ledger.poll(third, 3) && !ledger.poll(second, 2));
    assert!(!ledger.take(conn(10), RESERVE), "not for other requests");
    ledger.leave_reserve(first);
    assert_eq!(ledger.give_back(conn(1), RESERVE), [2]);
    assert_eq!(ledger.cancel(second), [3]);
    assert!(ledger.poll(third, 3));
    assert_eq!(ledger.held(), open + RESERVE);
}

#[derive(Debug, Clone)]
enum Step {
    Take(u64, u64),
    Wait(u64, u64),
    GiveBack(usize),
    Cancel(usize),
    Limit(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![4 => 1..100_u64, 1 => 1..2000_u64];
    prop_oneof![
        4 => (0..6_u64, bytes.clone()).prop_map(|(n, bytes)| Step::Take(n, bytes)),
        4 => (0..6_u64, bytes).prop_map(|(n, bytes)| Step::Wait(n, bytes)),
        6 => any::<usize>().prop_map(Step::GiveBack),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => (100..2000_u64).prop_map(Step::Limit),
    ]
}

/// Moves granted requests to the held ones.
fn claim(
    ledger: &mut BudgetLedger<u64>,
    waits: &mut Vec<(RequestId, u64, u64)>,
    held: &mut Vec<(u64, u64)>,
) {
    waits.retain(|(ticket, n, bytes)| {
        let granted = ledger.poll(*ticket, *ticket);
        if granted {
            held.push((*n, *bytes));
        }
        !granted
    });
}

proptest! {
    #[test]
    fn sums_agree_and_all_waiters_end(steps in prop::collection::vec(step(), 0..200)) {
        let mut ledger = BudgetLedger::<u64>::new(LIMIT, 0);
        let (mut limit, mut held, mut waits) = (LIMIT, Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Take(n, bytes) => {
                    let (all, own) = (ledger.held(), ledger.held_by(conn(n)));
                    if ledger.take(conn(n), bytes) {
                        prop_assert!(all == 0 || own + bytes <= limit - all - bytes);
                        prop_assert!(own == 0 || own + bytes <= limit / 4);
                        held.push((n, bytes));
                    }
                }
                Step::Wait(n, bytes) => waits.push((wait(&mut ledger, conn(n), bytes), n, bytes)),
                Step::GiveBack(at) if !held.is_empty() => {
                    let (n, bytes) = held.swap_remove(at % held.len());
                    ledger.give_back(conn(n), bytes);
                }
                Step::Cancel(at) if !waits.is_empty() => {
                    let (ticket, ..) = waits.swap_remove(at % waits.len());
                    ledger.cancel(ticket);
                }
                Step::Limit(to) => {
                    limit = to;
                    ledger.set_limit(to, 0);
                }
                _ => {}
            }
            claim(&mut ledger, &mut waits, &mut held);
            let sum: u64 = held.iter().map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(ledger.held(), sum);
            let by_account: u64 = (0..6).map(|n| ledger.held_by(conn(n))).sum();
            prop_assert_eq!(by_account, sum);
        }
        // Once held bytes are given back, every request is granted, of any size.
        while !waits.is_empty() {
            prop_assert!(!held.is_empty(), "{} requests wait without held bytes", waits.len());
            let (n, bytes) = held.remove(0);
            ledger.give_back(conn(n), bytes);
            claim(&mut ledger, &mut waits, &mut held);
        }
        for (n, bytes) in held {
            ledger.give_back(conn(n), bytes);
        }
        prop_assert!(ledger.accounts.is_empty() && ledger.places.is_empty());
        prop_assert!(ledger.waiting.is_empty());
    }

    /// Requests of up to the reserve never exceed the limit.
    ///
    /// Entitled requests all end.
    #[test]
    fn reserve_keeps_limit_and_progress(
        steps in prop::collection::vec((0..3_u8, 0..6_u64, 1..=RESERVE, any::<usize>()), 0..200),
    ) {
        let mut ledger = BudgetLedger::<u64>::new(LIMIT, RESERVE);
        // Charges that are kept to the end, and requests that may have the reserve.
        let (mut kept, mut waits) = (Vec::new(), Vec::new());
        for (kind, n, bytes, at) in steps {
            match kind {
                0 if ledger.take(conn(n), bytes) => kept.push((n, bytes)),
                1 => waits.push((ledger.wait_entitled(conn(n), bytes).0, n, bytes)),
                2 if !waits.is_empty() => {
                    let (ticket, ..) = waits.swap_remove(at % waits.len());
                    ledger.cancel(ticket);
                }
                _ => {}
            }
            prop_assert!(ledger.held() <= LIMIT, "{} bytes", ledger.held());
        }
        while !waits.is_empty() {
            let before = waits.len();
            let mut granted = Vec::new();
            waits.retain(|(ticket, n, bytes)| {
                let is_granted = ledger.poll(*ticket, *ticket);
                if is_granted {
                    granted.push((*ticket, *n, *bytes));
                }
                !is_granted
            });
            prop_assert!(waits.len() < before, "{before} requests wait");
            for (ticket, n, bytes) in granted {
                ledger.leave_reserve(ticket);
                ledger.give_back(conn(n), bytes);
                prop_assert!(ledger.held() <= LIMIT, "{} bytes", ledger.held());
            }
        }
        let sum: u64 = kept.iter().map(|(_, bytes)| bytes).sum();
        prop_assert_eq!(ledger.held(), sum);
        prop_assert!(ledger.entitled.is_empty() && ledger.in_reserve.is_none());
    }
}
