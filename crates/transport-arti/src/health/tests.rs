//! Readiness under tables of evidence, and under any evidence at all.

use proptest::prelude::*;

use super::Evidence::{
    Announced, Carried, Contact, Disproven, Doubt, NoPath, ProbeFailed, Progress, Usable,
};
use super::*;

const LIMIT: Duration = Duration::from_secs(30);
const READY: ReadyState = ReadyState::Ready;
const DEGRADED: ReadyState = ReadyState::Degraded {
    reason: ReadyReason::ArtiBootstrap,
};
const LATE: ReadyState = ReadyState::NotReady {
    reason: ReadyReason::ArtiBootstrapTimeout,
};

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

struct Story {
    health: Health,
    start: Instant,
    times_late: usize,
}

impl Story {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            health: Health::new(start),
            start,
            times_late: 0,
        }
    }

    /// Time passes to this second, then something is seen.
    fn at(&mut self, second: f64, evidence: impl Into<Option<Evidence>>) -> ReadyState {
        let now = self.start + secs(second);
        self.times_late += usize::from(self.health.late(LIMIT, now));
        if let Some(evidence) = evidence.into() {
            self.health.see(evidence, now);
        }
        self.health.state()
    }

    fn second(&self, at: Option<Instant>) -> Option<f64> {
        at.map(|at| (at - self.start).as_secs_f64())
    }
}

#[test]
fn a_bootstrap_is_degraded_then_ready() {
    let mut story = Story::new();
    assert_eq!(story.at(0.0, None), DEGRADED);
    assert_eq!(story.at(1.0, Contact), DEGRADED);
    assert_eq!(story.at(2.0, Progress), DEGRADED);
    assert_eq!(story.at(2.5, Usable), DEGRADED);
    assert_eq!(story.at(2.6, Carried), READY);
    assert_eq!(story.at(100.0, Usable), READY);
    assert_eq!(story.times_late, 0);
}

#[test]
fn usable_client_proven_before_ready() {
    let mut story = Story::new();
    assert_eq!(story.health.probe_at(), None);
    story.at(2.0, Usable);
    // At once, and a proof.
    assert!(story.health.probe_at().unwrap() <= story.start + secs(2.0));
    assert!(story.health.wants_proof());
    story.health.probing(story.start + secs(2.1));
    assert_eq!(story.at(2.1, Disproven), DEGRADED);
    assert_eq!(story.second(story.health.probe_at()), Some(3.1));
    assert_eq!(story.at(3.2, Carried), READY);
    assert!(!story.health.wants_proof());
}

#[test]
fn announced_target_proven_before_ready() {
    let mut story = Story::new();
    story.at(1.0, Carried);
    assert_eq!(story.at(5.0, Announced), DEGRADED);
    assert!(story.health.wants_proof());
    assert_eq!(story.at(5.1, Carried), READY);
}

#[test]
fn pathless_dial_asks_for_proof() {
    let mut story = Story::new();
    story.at(1.0, Carried);
    assert_eq!(story.at(5.0, NoPath), READY);
    assert!(story.health.wants_proof());
    assert_eq!(story.second(story.health.probe_at()), Some(1.0));
    // A path for others than that dial.
    assert_eq!(story.at(5.1, Carried), READY);
    assert!(!story.health.wants_proof());
    story.at(6.0, NoPath);
    assert_eq!(story.at(6.1, Disproven), DEGRADED);
}

#[test]
fn a_late_bootstrap_is_told_once_and_recovers() {
    let mut story = Story::new();
    assert_eq!(story.at(29.9, None), DEGRADED);
    assert_eq!(story.at(30.0, None), LATE);
    assert_eq!(story.at(31.0, Progress), LATE);
    assert_eq!(story.at(60.0, None), LATE);
    assert_eq!(story.at(61.0, Usable), LATE);
    assert_eq!(story.at(61.1, Carried), READY);
    assert_eq!(story.times_late, 1);
}

#[test]
fn doubt_alone_is_no_outage_and_asks_for_a_probe_at_once() {
    let mut story = Story::new();
    story.at(1.0, Carried);
    assert_eq!(story.second(story.health.probe_at()), Some(16.0));
    assert_eq!(story.at(3.0, Doubt), READY);
    assert_eq!(story.second(story.health.probe_at()), Some(1.0));
    assert_eq!(story.at(4.0, Carried), READY);
    assert_eq!(story.second(story.health.probe_at()), Some(19.0));
}

#[test]
fn two_failed_probes_are_an_outage_that_status_cannot_end() {
    let mut story = Story::new();
    story.at(1.0, Carried);
    story.at(5.0, Doubt);
    assert_eq!(story.at(6.0, ProbeFailed), READY);
    assert_eq!(story.at(13.0, ProbeFailed), DEGRADED);
    assert_eq!(story.at(20.0, Usable), DEGRADED);
    assert_eq!(story.at(43.0, None), LATE);
    assert_eq!(story.at(50.0, Carried), READY);
    assert_eq!(story.times_late, 1);
}

#[test]
fn an_answer_between_two_failed_probes_is_none() {
    let mut story = Story::new();
    story.at(1.0, Carried);
    story.at(2.0, ProbeFailed);
    story.at(3.0, Carried);
    assert_eq!(story.at(4.0, ProbeFailed), READY);
}

#[test]
fn a_client_without_progress_is_replaced_and_the_next_is_believed() {
    let mut story = Story::new();
    assert_eq!(story.second(story.health.replace_at()), Some(15.0));
    story.at(5.0, Progress);
    assert_eq!(story.second(story.health.replace_at()), Some(20.0));
    // In contact it may be downloading.
    story.at(6.0, Contact);
    assert_eq!(story.second(story.health.replace_at()), Some(66.0));
    story.at(7.0, Usable);
    assert_eq!(story.second(story.health.replace_at()), Some(67.0));
    story.at(7.1, Carried);
    assert_eq!(story.health.replace_at(), None);
    story.at(8.0, ProbeFailed);
    story.at(9.0, ProbeFailed);
    assert_eq!(story.second(story.health.replace_at()), Some(24.0));
    story.health.replaced(story.start + secs(24.0));
    assert_eq!(story.health.probe_at(), None);
    assert_eq!(story.second(story.health.replace_at()), Some(39.0));
    assert_eq!(story.at(25.0, Usable), DEGRADED);
    assert_eq!(story.at(25.1, Carried), READY);
}

#[test]
fn a_long_outage_is_met_with_patience() {
    let mut story = Story::new();
    for _ in 0..SOON {
        story.health.replaced(story.start);
    }
    assert_eq!(story.second(story.health.replace_at()), Some(60.0));
    story.at(1.0, Carried);
    story.at(2.0, ProbeFailed);
    story.at(3.0, ProbeFailed);
    assert_eq!(story.second(story.health.replace_at()), Some(18.0));
}

/// A step: some time, then evidence, a probe, or a new client.
fn steps() -> impl Strategy<Value = Vec<(u64, u8)>> {
    proptest::collection::vec((0_u64..20_000, 0_u8..12), 0..200)
}

proptest! {
    #[test]
    fn whatever_is_seen_the_rules_hold(steps in steps()) {
        let mut now = Instant::now();
        let mut health = Health::new(now);
        let (mut impaired_since, mut told) = (Some(now), false);
        for (millis, what) in steps {
            now += Duration::from_millis(millis);
            let late = health.late(LIMIT, now);
            // Once in each outage, and never before its time.
            prop_assert!(!late || !told && impaired_since.is_some_and(|since| now >= since + LIMIT));
            told |= late;
            prop_assert_eq!(health.state() == LATE, told);
            match what {
                0 => health.see(Usable, now),
                1 => health.see(Contact, now),
                2 => health.see(Progress, now),
                3 => health.see(Carried, now),
                4 => health.see(Doubt, now),
                5 | 6 => health.see(ProbeFailed, now),
                7 => health.probing(now),
                8 => health.see(Announced, now),
                9 => health.see(NoPath, now),
                10 => health.see(Disproven, now),
                _ => health.replaced(now),
            }
            let ready = health.state() == READY;
            match impaired_since {
                // Only what was carried makes it ready.
                Some(_) if ready => {
                    prop_assert!(what == 3);
                    (impaired_since, told) = (None, false);
                }
                // Only a failed probe or proof, or something unproven, makes it impaired.
                None if !ready => {
                    prop_assert!(matches!(what, 5 | 6 | 8 | 10));
                    impaired_since = Some(now);
                }
                _ => {}
            }
            // Something is always due, and a ready client is never replaced.
            prop_assert!(health.next(LIMIT).is_some());
            prop_assert!(!ready || health.replace_at().is_none());
        }
    }
}
