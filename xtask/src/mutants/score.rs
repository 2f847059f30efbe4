//! The share of mutants that tests catch.

use std::fmt;

/// The least share of caught mutants, in percent.
const LEAST: usize = 95;

/// The outcomes of one crate's mutants.
#[derive(Debug, PartialEq)]
pub(super) struct Score {
    caught: usize,
    timed_out: usize,
    accepted: usize,
    unviable: usize,
    /// Survivors without a reason.
    pub(super) missed: Vec<String>,
}

impl Score {
    /// Counts the lines of cargo-mutants' lists: caught, timed out, missed, unviable.
    pub(super) fn new(lists: [&str; 4], accepted: &[String]) -> Self {
        let [caught, timed_out, missed, unviable] = lists;
        let all: Vec<_> = missed.lines().map(without_place).collect();
        let missed: Vec<_> = all
            .iter()
            .filter(|name| !accepted.contains(name))
            .cloned()
            .collect();
        Self {
            caught: caught.lines().count(),
            timed_out: timed_out.lines().count(),
            accepted: all.len() - missed.len(),
            unviable: unviable.lines().count(),
            missed,
        }
    }

    /// Mutants that compile and are not accepted.
    fn viable(&self) -> usize {
        self.caught + self.timed_out + self.missed.len()
    }

    pub(super) fn is_enough(&self) -> bool {
        (self.caught + self.timed_out) * 100 >= self.viable() * LEAST
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_mille = (self.caught + self.timed_out) * 1000 / self.viable().max(1);
        write!(
            f,
            "| {} | {} | {} | {} | {} | {}.{} % |",
            self.caught,
            self.timed_out,
            self.missed.len(),
            self.accepted,
            self.unviable,
            per_mille / 10,
            per_mille % 10
        )
    }
}

/// Removes line and column, which change with every edit: `FILE: NAME`.
fn without_place(line: &str) -> String {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.nth(2)) {
        (Some(file), Some(name)) => format!("{file}:{name}"),
        _ => line.to_owned(),
    }
}

/// Reads the list of accepted survivors: `FILE: NAME  # reason`.
pub(super) fn accepted(list: &str) -> Result<Vec<String>, String> {
    let lines = list.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| match line.split_once(" # ") {
        Some((name, reason)) if !reason.trim().is_empty() => Ok(name.trim().to_owned()),
        _ => Err(format!(
            "no reason for the survivor {line:?}: add ` # REASON`"
        )),
    };
    lines.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_survivor_does_not_count() {
        let accepted = accepted("# text\n\na.rs: replace f with ()  # logs only\n").unwrap();
        let missed = "a.rs:4:9: replace f with ()\na.rs:7:1: replace g with ()\n";
        let score = Score::new(["x\nx\nx", "x", missed, "x"], &accepted);
        assert_eq!(score.missed, ["a.rs: replace g with ()"]);
        assert_eq!(score.to_string(), "| 3 | 1 | 1 | 1 | 1 | 80.0 % |");
        assert!(!score.is_enough());
    }

    #[test]
    fn nineteen_of_twenty_are_enough() {
        let score = Score::new(["x\n".repeat(19).as_str(), "", "a:1:1: b", ""], &[]);
        assert!(score.is_enough());
    }

    #[test]
    fn accepted_survivor_needs_a_reason() {
        assert!(accepted("a.rs: replace f with ()").is_err());
        assert!(accepted("a.rs: replace f with () # ").is_err());
    }
}
