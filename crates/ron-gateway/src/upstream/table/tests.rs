//! Properties of the table under arbitrary sequences of events.

use proptest::prelude::*;

use super::*;

fn endpoint(port: u16) -> Endpoint {
    Endpoint::tcp("10.0.0.1", port).unwrap()
}

fn table(count: u16) -> UpstreamTable {
    UpstreamTable::new((1..=count).map(endpoint).collect(), 1)
}

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns the ports that one connection tries, in order.
fn tried(table: &mut UpstreamTable, now: Duration) -> Vec<u16> {
    let mut selection = table.select();
    let mut ports = Vec::new();
    while let Some(attempt) = table.begin(&mut selection, now) {
        table.abandoned(&attempt);
        ports.push(port(&attempt));
    }
    ports
}

fn port(attempt: &TargetAttempt) -> u16 {
    match attempt.endpoint.target() {
        ron_transport::Target::Host { port, .. } => *port,
        other => panic!("{other}"),
    }
}

/// Lets the target with this port fail now.
fn fail(table: &mut UpstreamTable, failing: u16, now: Duration) -> Option<TargetChange> {
    let mut selection = table.select();
    loop {
        let attempt = table.begin(&mut selection, now).unwrap();
        if port(&attempt) == failing {
            return table.failed(&attempt, now);
        }
        table.abandoned(&attempt);
    }
}

#[test]
fn start_rotates_over_available_targets() {
    let mut table = table(3);
    let orders: Vec<_> = (0..4).map(|_| tried(&mut table, at(0))).collect();
    assert_eq!(orders, [[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]]);
    fail(&mut table, 2, at(0));
    let first: Vec<_> = (0..4).map(|_| tried(&mut table, at(1))[0]).collect();
    assert_eq!(first.iter().filter(|port| **port == 1).count(), 2);
    assert!(!first.contains(&2), "{first:?}");
}

#[test]
fn resting_target_is_tried_last() {
    let mut table = table(3);
    let change = fail(&mut table, 1, at(0)).unwrap();
    assert!(matches!(change.kind, ChangeKind::Rests(rest) if rest >= at(500)));
    for _ in 0..3 {
        assert_eq!(tried(&mut table, at(100))[2], 1);
    }
    assert!(!table.all_rest(at(100)));
}

#[test]
fn answer_of_failed_target_needs_time() {
    let mut table = table(1);
    let mut selection = table.select();
    let attempt = table.begin(&mut selection, at(0)).unwrap();
    assert!(table.answered_again(&attempt));
    fail(&mut table, 1, at(0));
    let mut selection = table.select();
    let attempt = table.begin(&mut selection, at(60_000)).unwrap();
    assert!(!table.answered_again(&attempt));
    let change = table.answered(&attempt, at(60_001)).unwrap();
    assert_eq!(change.kind, ChangeKind::Answers);
    assert!(table.answered_again(&attempt));
}

#[test]
fn oldest_failure_is_tried_first_when_all_rest() {
    let mut table = table(3);
    for (failing, now) in [(2, 0), (3, 10), (1, 20)] {
        fail(&mut table, failing, at(now));
    }
    assert!(table.all_rest(at(30)));
    assert_eq!(tried(&mut table, at(30)), [2, 3, 1]);
    // A further failure does not extend the rest, and the next connection tries another one.
    let end = table.next_end(at(30)).unwrap();
    assert_eq!(fail(&mut table, 2, at(40)), None);
    assert_eq!(table.next_end(at(40)), Some(end));
    assert_eq!(tried(&mut table, at(50)), [3, 1, 2]);
}

#[test]
fn one_connection_tries_a_target_after_its_rest() {
    let mut table = table(2);
    fail(&mut table, 1, at(0));
    let now = at(2000);
    let mut trial = None;
    for _ in 0..2 {
        let mut selection = table.select();
        let attempt = table.begin(&mut selection, now).unwrap();
        if port(&attempt) == 1 {
            trial = Some(attempt);
        }
    }
    let trial = trial.unwrap();
    for _ in 0..4 {
        assert_eq!(tried(&mut table, now), [2, 1]);
    }
    // The second rest is longer than the first can be.
    let change = table.failed(&trial, now).unwrap();
    assert!(matches!(change.kind, ChangeKind::Rests(rest) if rest >= at(1000)));
}

#[test]
fn concurrent_failures_count_once() {
    let mut table = table(1);
    let attempts: Vec<_> = (0..9)
        .map(|_| {
            let mut selection = table.select();
            table.begin(&mut selection, at(0)).unwrap()
        })
        .collect();
    let changes: Vec<_> = attempts
        .iter()
        .filter_map(|attempt| table.failed(attempt, at(5000)))
        .collect();
    assert_eq!(changes.len(), 1);
    assert!(
        !table.all_rest(at(6001)),
        "a single failure rests for a second at most"
    );
}

#[test]
fn answer_ends_a_rest_and_is_reported_once() {
    let mut table = table(1);
    fail(&mut table, 1, at(0));
    let mut answers = Vec::new();
    for _ in 0..2 {
        let mut selection = table.select();
        let attempt = table.begin(&mut selection, at(10)).unwrap();
        answers.extend(table.answered(&attempt, at(20)));
    }
    let answer = TargetChange {
        index: 0,
        kind: ChangeKind::Answers,
        left_out: 0,
    };
    assert_eq!(answers, [answer]);
    assert!(!table.all_rest(at(20)));
}

#[test]
fn changes_of_one_second_are_logged_once() {
    let mut table = table(1);
    for n in 0..9 {
        let change = fail(&mut table, 1, at(n * 100));
        assert_eq!(change.is_some(), n == 0);
        let mut selection = table.select();
        let attempt = table.begin(&mut selection, at(n * 100 + 1)).unwrap();
        table.answered(&attempt, at(n * 100 + 2));
    }
    assert_eq!(fail(&mut table, 1, at(1000)).unwrap().left_out, 8);
}

#[test]
fn reload_keeps_the_state_of_targets_that_stay() {
    let mut table = table(3);
    fail(&mut table, 2, at(0));
    let mut selection = table.select();
    let removed = table.begin(&mut selection, at(1)).unwrap();
    let left = [4, 2].map(endpoint);
    table.replace(left.to_vec());
    let states: Vec<_> = table
        .states(at(10))
        .map(|(_, available)| available)
        .collect();
    assert_eq!(states, [true, false]);
    assert_eq!(table.failed(&removed, at(10)), None, "{removed:?}");
    assert_eq!(tried(&mut table, at(10)), [4, 2]);
}

/// An event; numbers are taken modulo the open attempts.
#[derive(Debug, Clone)]
enum Event {
    Begin,
    Answer(usize),
    Fail(usize),
    Abandon(usize),
    Wait(u64),
    Replace(Vec<u16>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Begin),
        2 => any::<usize>().prop_map(Event::Answer),
        3 => any::<usize>().prop_map(Event::Fail),
        1 => any::<usize>().prop_map(Event::Abandon),
        2 => (0..40_000u64).prop_map(Event::Wait),
        1 => proptest::sample::subsequence(vec![1, 2, 3, 4, 5], 1..=5).prop_map(Event::Replace),
    ]
}

proptest! {
    #[test]
    fn every_sequence_keeps_the_rules(events in proptest::collection::vec(event(), 1..80)) {
        let [mut table, mut same] = [(); 2].map(|()| table(3));
        let mut now = Duration::ZERO;
        let mut open: Vec<(TargetAttempt, TargetAttempt)> = Vec::new();
        for event in events {
            let take = |open: &mut Vec<_>, n: usize| {
                (!open.is_empty()).then(|| open.swap_remove(n % open.len()))
            };
            match event {
                Event::Begin => {
                    let begun = [&mut table, &mut same].map(|table| {
                        let mut selection = table.select();
                        table.begin(&mut selection, now).unwrap()
                    });
                    let [begun, also] = begun;
                    open.push((begun, also));
                }
                Event::Answer(n) => if let Some((attempt, also)) = take(&mut open, n) {
                    table.answered(&attempt, now);
                    same.answered(&also, now);
                    let answered = table.targets.iter().find(|t| t.id == attempt.id);
                    prop_assert!(!answered.is_some_and(|target| target.rests(now)));
                },
                Event::Fail(n) => if let Some((attempt, also)) = take(&mut open, n) {
                    prop_assert_eq!(table.failed(&attempt, now), same.failed(&also, now));
                },
                Event::Abandon(n) => if let Some((attempt, also)) = take(&mut open, n) {
                    table.abandoned(&attempt);
                    same.abandoned(&also);
                },
                Event::Wait(millis) => now += at(millis),
                Event::Replace(ports) => {
                    table.replace(ports.iter().copied().map(endpoint).collect());
                    same.replace(ports.into_iter().map(endpoint).collect());
                }
            }
            let resting = table.states(now).filter(|(_, available)| !available).count();
            prop_assert_eq!(table.all_rest(now), resting == table.targets.len());
            let end = table.next_end(now);
            prop_assert_eq!(end.is_some(), resting > 0);
            let is_bad = |end| end <= now || end > now + super::super::backoff::LONGEST;
            prop_assert!(!end.is_some_and(is_bad));
        }
        for (attempt, _) in &open {
            table.abandoned(attempt);
        }
        prop_assert!(table.targets.iter().all(|target| !target.on_trial));
        // Each connection can try every target once, the available ones first.
        let mut selection = table.select();
        let mut was_resting = false;
        for _ in 0..table.targets.len() {
            let attempt = table.begin(&mut selection, now).unwrap();
            let target = table.targets.iter().find(|target| target.id == attempt.id).unwrap();
            let rests = target.rests(now);
            prop_assert!(rests || !was_resting);
            was_resting = rests;
        }
        prop_assert!(table.begin(&mut selection, now).is_none());
    }
}
