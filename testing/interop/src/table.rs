//! The table: check, peer, expected and observed result.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

/// The result of a row: the observation or the failure.
pub(crate) type Observed = Result<String, String>;

/// The gateway's side.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// The peer connects to the gateway.
    Server,
    /// The gateway dials the peer.
    Client,
}

enum Verdict {
    Pass(String),
    Fail(String),
    Skipped(String),
}

impl Verdict {
    const fn word(&self) -> &'static str {
        match self {
            Self::Pass(_) => "pass",
            Self::Fail(_) => "FAIL",
            Self::Skipped(_) => "SKIPPED",
        }
    }

    fn observed(&self) -> &str {
        let (Self::Pass(text) | Self::Fail(text) | Self::Skipped(text)) = self;
        text
    }
}

struct Row {
    peer: &'static str,
    version: String,
    direction: &'static str,
    what: String,
    expected: String,
    verdict: Verdict,
    took: Duration,
}

/// The rows so far.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

/// The rows of one peer, in progress.
pub(crate) struct Rows<'a> {
    table: &'a mut Table,
    peer: &'static str,
    version: String,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(table: &'a mut Table, peer: &'static str, version: &str) -> Self {
        let version = version.to_owned();
        Self {
            table,
            peer,
            version,
        }
    }

    /// Runs a check and records its result.
    pub(crate) fn row(
        &mut self,
        side: Side,
        what: &str,
        expected: &str,
        act: impl FnOnce() -> Observed,
    ) {
        let direction = match side {
            Side::Server => "peer > gateway",
            Side::Client => "gateway > peer",
        };
        let started = Instant::now();
        let verdict = match act() {
            Ok(text) => Verdict::Pass(text),
            Err(text) => Verdict::Fail(text),
        };
        self.push(direction, what, expected, verdict, started.elapsed());
    }

    /// Records that the peer is missing.
    pub(crate) fn skip(&mut self, why: &str) {
        let verdict = Verdict::Skipped(why.to_owned());
        self.push("-", "all rows", "-", verdict, Duration::ZERO);
    }

    fn push(
        &mut self,
        direction: &'static str,
        what: &str,
        expected: &str,
        verdict: Verdict,
        took: Duration,
    ) {
        let word = verdict.word();
        let secs = took.as_secs_f64();
        eprintln!(
            "{word:<8}{:<10} {direction:<15} {what} ({secs:.1} s)",
            self.peer
        );
        self.table.0.push(Row {
            peer: self.peer,
            version: self.version.clone(),
            direction,
            what: what.to_owned(),
            expected: expected.to_owned(),
            verdict,
            took,
        });
    }
}

impl Table {
    /// Returns whether at least one row passed and none failed.
    pub(crate) fn is_good(&self) -> bool {
        self.count("FAIL") == 0 && self.count("pass") > 0
    }

    fn count(&self, word: &str) -> usize {
        let is = |row: &&Row| row.verdict.word() == word;
        self.0.iter().filter(is).count()
    }

    /// Formats one line per row with aligned columns, and the counts.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![[
            "",
            "peer",
            "version",
            "direction",
            "what",
            "expected",
            "observed",
        ]
        .map(str::to_owned)];
        lines.extend(self.0.iter().map(|row| {
            let observed = row.verdict.observed().lines().collect::<Vec<_>>();
            [
                row.verdict.word(),
                row.peer,
                &row.version,
                row.direction,
                &row.what,
                &row.expected,
                &observed.join(" / "),
            ]
            .map(str::to_owned)
        }));
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max();
        let widths: Vec<_> = (0..7).map(|at| width(at).unwrap_or(0)).collect();
        let mut text = String::new();
        for line in &lines {
            for (cell, width) in line[..6].iter().zip(&widths) {
                let _ = write!(text, "{cell:<width$}  ");
            }
            let _ = writeln!(text, "{}", line[6]);
        }
        let (passed, failed) = (self.count("pass"), self.count("FAIL"));
        let skipped = self.count("SKIPPED");
        let _ = writeln!(
            text,
            "\n{passed} passed, {failed} failed, {skipped} skipped"
        );
        text
    }

    /// Formats the table as one JSON document.
    pub(crate) fn json(&self) -> String {
        let rows = self.0.iter().map(|row| {
            json!({
                "peer": row.peer,
                "version": row.version,
                "direction": row.direction,
                "what": row.what,
                "expected": row.expected,
                "observed": row.verdict.observed(),
                "verdict": row.verdict.word().to_lowercase(),
                "seconds": row.took.as_secs_f64(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_or_only_skips_is_no_success() {
        let mut table = Table::default();
        assert!(!table.is_good());
        Rows::new(&mut table, "none", "-").skip("not installed");
        assert!(!table.is_good());
        let mut rows = Rows::new(&mut table, "some", "1.0");
        rows.row(Side::Server, "echo", "echoed", || Ok("echoed".into()));
        assert!(table.is_good());
        let mut rows = Rows::new(&mut table, "some", "1.0");
        rows.row(Side::Client, "echo", "echoed", || Err("cut\nshort".into()));
        assert!(!table.is_good());
        let text = table.text();
        assert!(text.contains("cut / short\n"), "{text}");
        assert!(
            text.ends_with("\n1 passed, 1 failed, 1 skipped\n"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&table.json()).unwrap();
        assert_eq!(json["rows"][2]["verdict"], "fail");
        assert_eq!(json["skipped"], 1);
    }
}
