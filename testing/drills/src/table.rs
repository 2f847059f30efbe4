//! The table: one row per drill.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::case::{Case, Verdict};
use crate::drills::Drill;

const HEAD: [&str; 7] = [
    "",
    "drill",
    "fault",
    "expected signal",
    "observed",
    "to signal",
    "to recovery",
];

/// The rows so far.
#[derive(Default)]
pub(crate) struct Table(Vec<(&'static Drill, Case)>);

impl Table {
    pub(crate) fn push(&mut self, drill: &'static Drill, case: Case) {
        let (word, took) = (word(&case.verdict), case.took.as_secs_f64());
        eprintln!("{word:<8}{} ({took:.1} s)", drill.name);
        if let Verdict::Fail(why) | Verdict::Skipped(why) = &case.verdict {
            eprintln!("        {why}");
        }
        self.0.push((drill, case));
    }

    /// Returns whether at least one drill passed and none failed.
    pub(crate) fn is_good(&self) -> bool {
        self.count("FAIL") == 0 && self.count("pass") > 0
    }

    fn count(&self, wanted: &str) -> usize {
        let is = |(_, case): &&(&Drill, Case)| word(&case.verdict) == wanted;
        self.0.iter().filter(is).count()
    }

    fn rows(&self) -> impl Iterator<Item = [String; 7]> + '_ {
        self.0.iter().map(|(drill, case)| {
            [
                word(&case.verdict).to_owned(),
                drill.name.to_owned(),
                drill.fault.to_owned(),
                drill.expected.to_owned(),
                case.observed(),
                time(case.to_signal),
                time(case.to_recovery),
            ]
        })
    }

    /// Returns the numbers of passed, failed and skipped drills.
    pub(crate) fn counts(&self) -> String {
        let (passed, failed) = (self.count("pass"), self.count("FAIL"));
        let skipped = self.count("SKIPPED");
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }

    /// Formats one block per drill, narrow enough for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for row in self.rows() {
            let _ = writeln!(text, "{:<8}{}", row[0], row[1]);
            for (name, cell) in HEAD.iter().zip(&row).skip(2) {
                let _ = writeln!(text, "        {name:<17}{cell}");
            }
        }
        let _ = writeln!(text, "\n{}", self.counts());
        text
    }

    /// Formats one Markdown row per drill.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len()));
        for mut row in self.rows() {
            row[1] = format!("`{}`", row[1]);
            let cells = row.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }

    /// Formats the table as one JSON document.
    pub(crate) fn json(&self) -> String {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let rows = self.0.iter().map(|(drill, case)| {
            json!({
                "drill": drill.name,
                "fault": drill.fault,
                "expected": drill.expected,
                "cure": drill.cure,
                "observed": case.observed(),
                "seconds_to_signal": seconds(case.to_signal),
                "seconds_to_recovery": seconds(case.to_recovery),
                "seconds": case.took.as_secs_f64(),
                "verdict": word(&case.verdict).to_lowercase(),
            })
        });
        json!({
            "rows": rows.collect::<Vec<_>>(),
            "passed": self.count("pass"),
            "failed": self.count("FAIL"),
            "skipped": self.count("SKIPPED"),
        })
        .to_string()
    }
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail(_) => "FAIL",
        Verdict::Skipped(_) => "SKIPPED",
    }
}

fn time(time: Option<Duration>) -> String {
    time.map_or("-".to_owned(), |time| {
        format!("{:.2} s", time.as_secs_f64())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Mode, Stop};
    use crate::drills::DRILLS;

    fn ended(outcome: crate::case::Outcome) -> Case {
        let watch = Duration::ZERO;
        let mut case = Case::new(Mode { gates: true, watch });
        case.fault();
        case.signal("a | b");
        case.cure();
        case.recovered("well");
        case.end(outcome);
        case
    }

    #[test]
    fn failure_or_only_skips_is_no_success() {
        let mut table = Table::default();
        assert!(!table.is_good());
        table.push(&DRILLS[0], ended(Err(Stop::Skip("no root".into()))));
        assert!(!table.is_good());
        table.push(&DRILLS[1], ended(Ok(())));
        assert!(table.is_good());
        table.push(&DRILLS[2], ended(Err("no\nsignal".into())));
        assert!(!table.is_good());
        assert!(table.text().ends_with("\n1 passed, 1 failed, 1 skipped\n"));
        let page = table.markdown();
        assert!(page.contains("a \\| b; well; no signal |"), "{page}");
        let json: serde_json::Value = serde_json::from_str(&table.json()).unwrap();
        assert_eq!(json["rows"][2]["verdict"], "fail");
        assert_eq!(json["skipped"], 1);
    }
}
