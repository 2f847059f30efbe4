//! One run of a drill: its observations and their times.

use std::time::{Duration, Instant};

pub(crate) use ron_lab::{ensure, Outcome, Stop};

/// The mode of a run.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    /// Whether times and ratios decide.
    pub(crate) gates: bool,
    /// How long a gateway is watched after an upgrade.
    pub(crate) watch: Duration,
}

/// The verdict of a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail(String),
    Skipped(String),
}

/// One run of a drill: fault, signal, cure, recovery, in this order.
///
/// A drill without all four has failed.
pub(crate) struct Case {
    pub(crate) mode: Mode,
    /// The directory of the run, removed from the printed observations.
    pub(crate) dir: String,
    observed: Vec<String>,
    fault: Option<Instant>,
    cure: Option<Instant>,
    pub(crate) to_signal: Option<Duration>,
    pub(crate) to_recovery: Option<Duration>,
    pub(crate) verdict: Verdict,
    started: Instant,
    pub(crate) took: Duration,
}

impl Case {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            dir: String::new(),
            observed: Vec::new(),
            fault: None,
            cure: None,
            to_signal: None,
            to_recovery: None,
            verdict: Verdict::Fail("the drill has not ended".into()),
            started: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// Records that the fault begins now.
    pub(crate) fn fault(&mut self) {
        self.fault = Some(Instant::now());
    }

    /// Records that the fault began at this time.
    pub(crate) fn fault_since(&mut self, when: Instant) {
        self.fault = Some(when);
    }

    /// Returns the time since the fault began.
    pub(crate) fn since_fault(&self) -> Duration {
        self.fault.map_or(Duration::ZERO, |fault| fault.elapsed())
    }

    /// Records that the expected signal is seen now.
    pub(crate) fn signal(&mut self, what: impl Into<String>) {
        self.to_signal = self.fault.map(|fault| fault.elapsed());
        self.note(what);
    }

    /// Records that the cure begins now.
    pub(crate) fn cure(&mut self) {
        self.cure = Some(Instant::now());
    }

    /// Records that the service has recovered now.
    pub(crate) fn recovered(&mut self, what: impl Into<String>) {
        self.to_recovery = self.cure.map(|cure| cure.elapsed());
        self.note(what);
    }

    /// Records another observation.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.observed.push(what.into());
    }

    /// Records a time or ratio, which decides on demand only.
    pub(crate) fn gate(&mut self, holds: bool, what: impl Into<String>) -> Outcome {
        let what = what.into();
        self.note(what.clone());
        if holds || !self.mode.gates {
            return Ok(());
        }
        Err(Stop::Wrong(format!("gate: {what}")))
    }

    /// Returns the observations in order, with the failure last.
    pub(crate) fn observed(&self) -> String {
        let mut seen = self.observed.clone();
        if let Verdict::Fail(why) | Verdict::Skipped(why) = &self.verdict {
            seen.push(why.clone());
        }
        let seen = seen.join("; ");
        match self.dir.as_str() {
            "" => seen,
            dir => seen.replace(dir, "DIR/"),
        }
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.took = self.started.elapsed();
        let whole = self.to_signal.is_some() && self.to_recovery.is_some();
        self.verdict = match outcome {
            Ok(()) if whole => Verdict::Pass,
            Ok(()) => Verdict::Fail("no signal or no recovery".into()),
            Err(Stop::Wrong(why)) => Verdict::Fail(why),
            Err(Stop::Skip(why)) => Verdict::Skipped(why),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(gates: bool) -> Case {
        let watch = Duration::ZERO;
        Case::new(Mode { gates, watch })
    }

    #[test]
    fn drill_without_signal_or_recovery_fails() {
        let mut whole = case(true);
        whole.fault();
        whole.signal("seen");
        let mut half = case(true);
        half.fault();
        half.signal("seen");
        half.end(Ok(()));
        assert!(matches!(half.verdict, Verdict::Fail(_)));
        whole.cure();
        whole.recovered("well");
        whole.end(Ok(()));
        assert_eq!(whole.verdict, Verdict::Pass);
        whole.dir = "/tmp/ron-drill-1-x/".into();
        whole.note("/tmp/ron-drill-1-x/key");
        assert_eq!(whole.observed(), "seen; well; DIR/key");
        // A signal without a fault does not count.
        let mut early = case(true);
        early.signal("seen");
        early.cure();
        early.recovered("well");
        early.end(Ok(()));
        assert!(matches!(early.verdict, Verdict::Fail(_)));
    }

    #[test]
    fn gate_decides_on_demand_only() {
        assert!(case(true).gate(true, "fast").is_ok());
        assert!(case(true).gate(false, "slow").is_err());
        let mut quick = case(false);
        assert!(quick.gate(false, "slow").is_ok());
        assert!(quick.observed().starts_with("slow"));
    }
}
