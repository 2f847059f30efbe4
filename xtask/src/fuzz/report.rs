//! The figures of a run, from libFuzzer's output.

use crate::cmd::Outcome;

/// The figures of one target.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    name: String,
    executions: u64,
    per_second: u64,
    /// Executed edges of the control flow, and all of the program's.
    edges: u64,
    all_edges: u64,
    /// Edges, how often they ran, and traced comparisons.
    features: u64,
    /// Inputs in the corpus after the run.
    corpus: u64,
}

impl Report {
    pub(super) fn parse(name: &str, output: &str) -> Self {
        let stat = |key: &str| {
            let line = output.lines().rev().find(|line| line.contains(key));
            line.and_then(|line| first_number(line.split_once(key)?.1))
                .unwrap_or(0)
        };
        Self {
            name: name.to_owned(),
            executions: stat("stat::number_of_executed_units:"),
            per_second: stat("stat::average_exec_per_sec:"),
            edges: stat(" cov: "),
            all_edges: stat("INFO: Loaded 1 modules   ("),
            features: stat(" ft: "),
            corpus: stat(" corp: "),
        }
    }
}

fn first_number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}

/// Returns the output from the panic, or its last lines.
pub(super) fn finding(output: &str) -> String {
    let lines: Vec<_> = output.lines().collect();
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let from = panic.unwrap_or(lines.len().saturating_sub(30));
    let is_of_progress = |line: &&&str| line.starts_with('#');
    let shown: Vec<_> = lines[from..]
        .iter()
        .filter(|line| !is_of_progress(line))
        .copied()
        .collect();
    shown.join("\n")
}

/// Returns the reports as a table.
pub(super) fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| target | executions | per second | edges | features | inputs |\n|---|---|---|---|---|---|\n",
    );
    for report in reports {
        let Report {
            name,
            executions,
            per_second,
            edges,
            all_edges,
            features,
            corpus,
        } = report;
        text += &format!(
            "| {name} | {executions} | {per_second} | {edges} of {all_edges} | {features} | {corpus} |\n"
        );
    }
    text
}

/// Fails if a target ran no input or measured no coverage.
pub(super) fn check(reports: &[Report]) -> Outcome {
    let idle = |report: &&Report| report.executions == 0 || report.edges == 0;
    match reports.iter().find(idle) {
        None => Ok(()),
        Some(report) => Err(format!(
            "the target {} reports {} executions and {} edges: its build is not instrumented",
            report.name, report.executions, report.edges
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str =
        "INFO: Seed: 1\nINFO: Loaded 1 modules   (5012 inline 8-bit counters): 5012 \
        [0x1, 0x2), \n#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #9\tDONE   cov: 120 ft: 340 corp: 17/2Kb lim: 40 exec/s: 9 rss: 50Mb\nDone 9 runs in 1 s\n\
        stat::number_of_executed_units: 9\nstat::average_exec_per_sec:     4\n";

    #[test]
    fn figures_of_the_last_line() {
        let report = Report::parse("a", OUTPUT);
        let row = "| a | 9 | 4 | 120 of 5012 | 340 | 17 |\n";
        assert!(table(&[report]).ends_with(row));
    }

    #[test]
    fn finding_starts_at_the_panic() {
        let output = "#1 INITED\n#2 NEW\nthread panicked at a.rs\nwrong\n#3 NEW\nwritten to x";
        assert_eq!(
            finding(output),
            "thread panicked at a.rs\nwrong\nwritten to x"
        );
        assert_eq!(finding("#1 INITED\ntimeout\n"), "timeout");
    }

    #[test]
    fn run_without_coverage_is_refused() {
        assert!(check(&[Report::parse("a", OUTPUT)]).is_ok());
        let why = check(&[Report::parse("a", "")]).unwrap_err();
        assert!(why.contains("not instrumented"), "{why}");
    }
}
