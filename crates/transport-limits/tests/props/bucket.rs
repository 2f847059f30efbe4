//! Whatever is asked of a bucket, in whatever order, it keeps to its rate.

use proptest::prelude::*;
use transport_limits::bucket::{Bucket, Grant, Rate};

/// Ticks in a second, as the bucket counts them.
const SECOND: u64 = 16_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    /// Time passes.
    Wait(u64),
    /// Takes, and uses so much of what it got.
    Take { want: u64, min: u64, used: u64 },
    /// Stands in line, for no more than any burst holds.
    Reserve(u64),
    /// Stands in line and leaves.
    GiveUp(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..SECOND).prop_map(Step::Wait),
        (0..300_000_u64, 0..5_000_u64, 0..300_000_u64).prop_map(|(want, min, used)| Step::Take {
            want,
            min: min.min(want),
            used
        }),
        (1..=4_096_u64).prop_map(Step::Reserve),
        (1..=4_096_u64).prop_map(Step::GiveUp),
    ]
}

fn rates() -> impl Strategy<Value = (u64, u64)> {
    let chunk = prop_oneof![Just(4_096_u64), Just(65_536), Just(262_144)];
    let per_sec = prop_oneof![1_u64..100, 1_000_u64..10_000_000, 1_u64 << 30..1 << 48];
    (per_sec, chunk)
}

/// Settles a grant and says what it used.
fn settle(bucket: &Bucket, grant: Grant, used: u64) -> u64 {
    let used = used.min(grant.tokens());
    bucket.settle(grant, used);
    used
}

proptest! {
    /// In every stretch of time no more than rate × time + burst is spent.
    #[test]
    fn no_window_overspends(
        (per_sec, chunk) in rates(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let rate = Rate::bytes(per_sec, chunk).unwrap();
        let bucket = Bucket::default();
        let mut now = 1_000 * SECOND;
        // When how much was spent; a place in line counts at the tick it is due.
        let mut spent: Vec<(u64, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(ticks) => now += ticks,
                Step::Take { want, min, used } => {
                    if let Ok(grant) = bucket.take(now, rate, want, min) {
                        prop_assert!(grant.tokens() >= min && grant.tokens() <= want);
                        spent.push((now, settle(&bucket, grant, used)));
                    }
                }
                Step::Reserve(tokens) => {
                    let (grant, due) = bucket.reserve(now, rate, tokens);
                    spent.push((due.max(now), settle(&bucket, grant, tokens)));
                }
                Step::GiveUp(tokens) => {
                    let (grant, _) = bucket.reserve(now, rate, tokens);
                    bucket.settle(grant, 0);
                }
            }
        }
        spent.sort_unstable();
        for from in 0..spent.len() {
            let mut sum = 0_u128;
            for (at, tokens) in &spent[from..] {
                sum += u128::from(*tokens);
                let ticks = u128::from(at - spent[from].0);
                let earned = ticks * u128::from(per_sec) / u128::from(SECOND);
                // One token for rounding at either end of the window.
                let most = earned + u128::from(rate.burst_tokens()) + 2;
                prop_assert!(sum <= most, "{sum} spent where {most} may be");
            }
        }
    }

    /// What was taken and not used can be had again at once.
    #[test]
    fn a_settled_grant_gives_everything_back(
        (per_sec, chunk) in rates(),
        want in 1..300_000_u64,
        used in 0..300_000_u64,
    ) {
        let rate = Rate::bytes(per_sec, chunk).unwrap();
        let (bucket, untouched) = (Bucket::default(), Bucket::default());
        let now = 1_000 * SECOND;
        let grant = bucket.take(now, rate, want, 0).unwrap();
        let used = settle(&bucket, grant, used);
        if used > 0 {
            let direct = untouched.take(now, rate, used, 0).unwrap();
            settle(&untouched, direct, used);
            prop_assert_eq!(bucket.full_at(), untouched.full_at());
        } else {
            prop_assert!(bucket.full_at() <= now);
        }
    }

    /// From two chunks a second up, a stream that takes what it gets and otherwise waits as told
    /// has its rate within 5 % over ten seconds.
    #[test]
    fn a_greedy_stream_gets_its_rate(factor in 2..5_000_u64) {
        const CHUNK: u64 = 65_536;
        let per_sec = factor * CHUNK;
        let rate = Rate::bytes(per_sec, CHUNK).unwrap();
        let bucket = Bucket::default();
        let begin = 1_000 * SECOND;
        let (mut now, mut spent) = (begin, 0_u64);
        while now < begin + 10 * SECOND {
            match bucket.take(now, rate, CHUNK, 4_096) {
                Ok(grant) => spent += settle(&bucket, grant, CHUNK),
                Err(wait) => now += wait.max(1),
            }
        }
        let earned = 10 * per_sec;
        let burst = rate.burst_tokens();
        prop_assert!(spent <= earned + burst + 4_096, "{spent} of {earned}");
        prop_assert!(spent * 100 >= earned * 95, "{spent} of {earned}");
    }

    /// No input panics or overflows, near the ends of the range either.
    #[test]
    fn extremes_are_survived(
        per_sec in 1..=(1_u64 << 48) - 1,
        chunk in any::<u32>(),
        now in any::<u64>(),
        want in any::<u64>(),
        min in any::<u64>(),
    ) {
        let rate = Rate::bytes(per_sec, u64::from(chunk)).unwrap();
        let bucket = Bucket::default();
        if let Ok(grant) = bucket.take(now, rate, want, min) {
            bucket.settle(grant, min);
        }
        let before = bucket.full_at();
        let (grant, _) = bucket.reserve(now, rate, want);
        bucket.settle(grant, 0);
        prop_assert!(bucket.full_at() <= before.max(now));
        bucket.rebase(now, rate);
    }
}
