//! Readiness for scripted and for random evidence.

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

struct Timeline {
    health: Health,
    start: Instant,
    times_late: usize,
}

impl Timeline {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            health: Health::new(start),
            start,
            times_late: 0,
        }
    }

    /// Advances to this second, then records evidence.
    fn at(&mut self, second: f64, evidence: impl Into<Option<Evidence>>) -> ReadyState {
        let now = self.start + secs(second);
        self.times_late += usize::from(self.health.late(LIMIT, now));
        if let Some(evidence) = evidence.into() {
            self.health.record(evidence, now);
        }
        self.health.state()
    }

    fn second(&self, at: Option<Instant>) -> Option<f64> {
        at.map(|at| (at - self.start).as_secs_f64())
    }
}

#[test]
fn bootstrap_degraded_then_ready() {
    let mut timeline = Timeline::new();
    assert_eq!(timeline.at(0.0, None), DEGRADED);
    assert_eq!(timeline.at(1.0, Contact), DEGRADED);
    assert_eq!(timeline.at(2.0, Progress), DEGRADED);
    assert_eq!(timeline.at(2.5, Usable), DEGRADED);
    assert_eq!(timeline.at(2.6, Carried), READY);
    assert_eq!(timeline.at(100.0, Usable), READY);
    assert_eq!(timeline.times_late, 0);
}

#[test]
fn usable_client_proven_before_ready() {
    let mut timeline = Timeline::new();
    assert_eq!(timeline.health.probe_at(), None);
    timeline.at(2.0, Usable);
    // A proof is due at once.
    assert!(timeline.health.probe_at().unwrap() <= timeline.start + secs(2.0));
    assert!(timeline.health.wants_proof());
    timeline.health.probing(timeline.start + secs(2.1));
    assert_eq!(timeline.at(2.1, Disproven), DEGRADED);
    assert_eq!(timeline.second(timeline.health.probe_at()), Some(3.1));
    assert_eq!(timeline.at(3.2, Carried), READY);
    assert!(!timeline.health.wants_proof());
}

#[test]
fn announced_target_proven_before_ready() {
    let mut timeline = Timeline::new();
    timeline.at(1.0, Carried);
    assert_eq!(timeline.at(5.0, Announced), DEGRADED);
    assert!(timeline.health.wants_proof());
    assert_eq!(timeline.at(5.1, Carried), READY);
}

#[test]
fn pathless_dial_asks_for_proof() {
    let mut timeline = Timeline::new();
    timeline.at(1.0, Carried);
    assert_eq!(timeline.at(5.0, NoPath), READY);
    assert!(timeline.health.wants_proof());
    assert_eq!(timeline.second(timeline.health.probe_at()), Some(1.0));
    // A path exists, though not for that dial.
    assert_eq!(timeline.at(5.1, Carried), READY);
    assert!(!timeline.health.wants_proof());
    timeline.at(6.0, NoPath);
    assert_eq!(timeline.at(6.1, Disproven), DEGRADED);
}

#[test]
fn late_bootstrap_reported_once() {
    let mut timeline = Timeline::new();
    assert_eq!(timeline.at(29.9, None), DEGRADED);
    assert_eq!(timeline.at(30.0, None), LATE);
    assert_eq!(timeline.at(31.0, Progress), LATE);
    assert_eq!(timeline.at(60.0, None), LATE);
    assert_eq!(timeline.at(61.0, Usable), LATE);
    assert_eq!(timeline.at(61.1, Carried), READY);
    assert_eq!(timeline.times_late, 1);
}

#[test]
fn doubt_triggers_probe_not_outage() {
    let mut timeline = Timeline::new();
    timeline.at(1.0, Carried);
    assert_eq!(timeline.second(timeline.health.probe_at()), Some(16.0));
    assert_eq!(timeline.at(3.0, Doubt), READY);
    assert_eq!(timeline.second(timeline.health.probe_at()), Some(1.0));
    assert_eq!(timeline.at(4.0, Carried), READY);
    assert_eq!(timeline.second(timeline.health.probe_at()), Some(19.0));
}

#[test]
fn two_failed_probes_are_outage() {
    let mut timeline = Timeline::new();
    timeline.at(1.0, Carried);
    timeline.at(5.0, Doubt);
    assert_eq!(timeline.at(6.0, ProbeFailed), READY);
    assert_eq!(timeline.at(13.0, ProbeFailed), DEGRADED);
    assert_eq!(timeline.at(20.0, Usable), DEGRADED);
    assert_eq!(timeline.at(43.0, None), LATE);
    assert_eq!(timeline.at(50.0, Carried), READY);
    assert_eq!(timeline.times_late, 1);
}

#[test]
fn success_resets_failed_probes() {
    let mut timeline = Timeline::new();
    timeline.at(1.0, Carried);
    timeline.at(2.0, ProbeFailed);
    timeline.at(3.0, Carried);
    assert_eq!(timeline.at(4.0, ProbeFailed), READY);
}

#[test]
fn stalled_client_replaced() {
    let mut timeline = Timeline::new();
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(15.0));
    timeline.at(5.0, Progress);
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(20.0));
    // After contact, a download may be running.
    timeline.at(6.0, Contact);
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(66.0));
    timeline.at(7.0, Usable);
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(67.0));
    timeline.at(7.1, Carried);
    assert_eq!(timeline.health.replace_at(), None);
    timeline.at(8.0, ProbeFailed);
    timeline.at(9.0, ProbeFailed);
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(24.0));
    timeline.health.replaced(timeline.start + secs(24.0));
    assert_eq!(timeline.health.probe_at(), None);
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(39.0));
    assert_eq!(timeline.at(25.0, Usable), DEGRADED);
    assert_eq!(timeline.at(25.1, Carried), READY);
}

#[test]
fn long_outage_slows_replacement() {
    let mut timeline = Timeline::new();
    for _ in 0..MAX_QUICK_REPLACEMENTS {
        timeline.health.replaced(timeline.start);
    }
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(60.0));
    timeline.at(1.0, Carried);
    timeline.at(2.0, ProbeFailed);
    timeline.at(3.0, ProbeFailed);
    assert_eq!(timeline.second(timeline.health.replace_at()), Some(18.0));
}

/// Steps: a delay in milliseconds and an event.
fn steps() -> impl Strategy<Value = Vec<(u64, u8)>> {
    proptest::collection::vec((0_u64..20_000, 0_u8..12), 0..200)
}

proptest! {
    #[test]
    fn invariants_hold_for_any_evidence(steps in steps()) {
        let mut now = Instant::now();
        let mut health = Health::new(now);
        let (mut impaired_since, mut reported) = (Some(now), false);
        for (millis, what) in steps {
            now += Duration::from_millis(millis);
            let late = health.late(LIMIT, now);
            // Reported once per impairment, and never early.
            prop_assert!(!late || !reported && impaired_since.is_some_and(|since| now >= since + LIMIT));
            reported |= late;
            prop_assert_eq!(health.state() == LATE, reported);
            match what {
                0 => health.record(Usable, now),
                1 => health.record(Contact, now),
                2 => health.record(Progress, now),
                3 => health.record(Carried, now),
                4 => health.record(Doubt, now),
                5 | 6 => health.record(ProbeFailed, now),
                7 => health.probing(now),
                8 => health.record(Announced, now),
                9 => health.record(NoPath, now),
                10 => health.record(Disproven, now),
                _ => health.replaced(now),
            }
            let ready = health.state() == READY;
            match impaired_since {
                // Only carried traffic makes it ready.
                Some(_) if ready => {
                    prop_assert!(what == 3);
                    (impaired_since, reported) = (None, false);
                }
                // Only a failed probe or proof, or an unproven target, makes it impaired.
                None if !ready => {
                    prop_assert!(matches!(what, 5 | 6 | 8 | 10));
                    impaired_since = Some(now);
                }
                _ => {}
            }
            // An event is always due, and a ready client is never replaced.
            prop_assert!(health.next_due(LIMIT).is_some());
            prop_assert!(!ready || health.replace_at().is_none());
        }
    }
}
