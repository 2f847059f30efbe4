use proptest::prelude::*;

use super::*;

/// A tick of tokio's timers.
const MILLISECOND: u64 = SECOND / 1000;

/// An action on the bucket. Sizes are parts of 255 of the burst.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// Takes and settles at once, like an operation that does not park.
    Take {
        want: u8,
        min: u8,
        used: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2 * SECOND).prop_map(Step::Wait),
        (0..50 * MILLISECOND).prop_map(Step::Wait),
        (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(want, min, used)| Step::Take {
            want,
            min,
            used
        }),
    ]
}

fn rate() -> impl Strategy<Value = Rate> {
    let bytes = (1_u64..1 << 48, 4_u64 << 10..256 << 10);
    prop_oneof![
        bytes.prop_map(|(per_sec, chunk)| Rate::bytes(per_sec, chunk).unwrap()),
        (1_u64..1 << 32).prop_map(|per_sec| Rate::events(per_sec).unwrap()),
    ]
}

fn part(rate: Rate, of_255: u8) -> u64 {
    let tokens = u128::from(rate.burst_tokens()) * u128::from(of_255) / 255;
    u64::try_from(tokens).unwrap()
}

/// Ticks and spent tokens.
type Spent = Vec<(u64, u64)>;

/// Asserts at most rate × time + burst in every window, to the token.
fn assert_within(spent: &Spent, rate: Rate) {
    for from in 0..spent.len() {
        let mut sum = 0_u128;
        for &(at, tokens) in &spent[from..] {
            sum += u128::from(tokens);
            let window = u128::from(at - spent[from].0) + u128::from(rate.burst);
            let most = window * u128::from(rate.per_sec);
            assert!(sum * u128::from(SECOND) <= most, "{spent:?} at {rate:?}");
        }
    }
}

/// Returns the tokens available now.
fn room(bucket: &TokenBucket, now: u64, rate: Rate) -> u64 {
    let grant = bucket.take(now, rate, u64::MAX, 0).unwrap();
    bucket.settle(grant, 0);
    grant.tokens()
}

proptest! {
    #[test]
    fn window_bounded_by_rate_and_burst(
        rate in rate(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (bucket, mut now) = (TokenBucket::default(), 0);
        let mut spent = Spent::new();
        for step in steps {
            match step {
                Step::Wait(ticks) => now += ticks,
                Step::Take { want, min, used } => {
                    let want = part(rate, want);
                    let min = part(rate, min).min(want);
                    match bucket.take(now, rate, want, min) {
                        Ok(grant) => {
                            prop_assert!((min..=want).contains(&grant.tokens()));
                            let used = grant.tokens().min(part(rate, used));
                            bucket.settle(grant, used);
                            spent.push((now, used));
                        }
                        // After the wait, the tokens are available.
                        Err(wait) => {
                            prop_assert!(wait > 0);
                            prop_assert!(room(&bucket, now + wait, rate) >= min);
                        }
                    }
                }
            }
            spent.sort_unstable();
        }
        assert_within(&spent, rate);
    }

    /// Tokens given back late may be spent again, once.
    #[test]
    fn late_refund_spent_once(
        rate in rate(),
        steps in prop::collection::vec((0..SECOND, any::<u8>(), any::<u8>()), 1..40),
    ) {
        let (bucket, mut now) = (TokenBucket::default(), 0);
        let (mut spent, mut late) = (0_u128, 0_u128);
        let mut held = None;
        for (wait, want, used) in steps {
            now += wait;
            if let Some((grant, used)) = held.take() {
                let grant: TokenGrant = grant;
                bucket.settle(grant, used);
                late += u128::from(grant.tokens() - used);
            }
            if let Ok(grant) = bucket.take(now, rate, part(rate, want), 0) {
                let used = grant.tokens().min(part(rate, used));
                spent += u128::from(used);
                held = Some((grant, used));
            }
        }
        let earned = (u128::from(now) + u128::from(rate.burst)) * u128::from(rate.per_sec);
        prop_assert!(spent * u128::from(SECOND) <= earned + late * u128::from(SECOND));
    }

    #[test]
    fn unused_grant_returned_in_full(
        rate in rate(),
        now in 0..1_000 * SECOND,
        before in any::<u8>(),
        want in any::<u8>(),
    ) {
        let bucket = TokenBucket::default();
        let _spent = bucket.take(now, rate, part(rate, before), 0).unwrap();
        let before = room(&bucket, now, rate);
        let grant = bucket.take(now, rate, part(rate, want), 0).unwrap();
        bucket.settle(grant, 0);
        prop_assert_eq!(room(&bucket, now, rate), before);
    }

    /// Rates from two chunks a second up, with wake-ups at whole milliseconds.
    #[test]
    fn greedy_user_gets_rate(chunk in 4_u64 << 10..=256 << 10, over in 1_u64..1 << 30) {
        let per_sec = 2 * chunk - 1 + over;
        let rate = Rate::bytes(per_sec, chunk).unwrap();
        let (bucket, mut now, mut spent) = (TokenBucket::default(), 0, 0);
        while now < 10 * SECOND {
            let wait = match bucket.take(now, rate, chunk, 4 << 10) {
                Ok(grant) => {
                    spent += grant.tokens();
                    continue;
                }
                Err(wait) => wait,
            };
            now += wait.div_ceil(MILLISECOND) * MILLISECOND;
        }
        prop_assert!(spent <= 10 * per_sec + rate.burst_tokens());
        prop_assert!(spent >= 10 * per_sec / 100 * 95, "{spent} at {per_sec}");
    }

    #[test]
    fn extreme_values_do_not_overflow(
        per_sec in 1_u64..=u64::MAX,
        chunk in any::<u64>(),
        now in any::<u64>(),
        want in any::<u64>(),
        used in any::<u64>(),
    ) {
        let (bucket, rate) = (TokenBucket::default(), Rate::bytes(per_sec, chunk).unwrap());
        for min in [0, want] {
            if let Ok(grant) = bucket.take(now, rate, want, min) {
                bucket.settle(grant, used);
            }
        }
        bucket.rebase(now, rate);
    }

    /// After a rate change, old debts are at most one burst.
    #[test]
    fn rebased_bucket_at_worst_empty(old in rate(), new in rate(), debts in 1..20) {
        let bucket = TokenBucket::default();
        for _ in 0..debts {
            let _spent = bucket.take(0, old, old.burst_tokens(), 0);
        }
        bucket.rebase(0, new);
        prop_assert_eq!(room(&bucket, new.burst, new), new.burst_tokens());
    }
}

#[test]
fn burst_of_quarter_second_or_chunk() {
    let burst = |per_sec, chunk| Rate::bytes(per_sec, chunk).unwrap().burst_tokens();
    assert_eq!(burst(1 << 20, 64 << 10), 256 << 10);
    assert_eq!(burst(64 << 10, 64 << 10), 64 << 10);
    assert_eq!(Rate::events(7).unwrap().burst_tokens(), 7);
    let price = |per_sec, chunk| Rate::bytes(per_sec, chunk).unwrap().burst();
    assert_eq!(price(1 << 20, 64 << 10), SECOND / 4);
    assert_eq!(price(64 << 10, 64 << 10), SECOND);
    assert_eq!(Rate::bytes(0, 64 << 10), None);
    assert_eq!(Rate::events(0), None);
}
