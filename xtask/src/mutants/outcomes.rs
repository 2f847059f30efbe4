//! Outcomes of mutants over several short runs.

use std::collections::hash_map::RandomState;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// The lists of cargo-mutants, in the order of [`Score::new`](super::score::Score::new).
pub(super) const LISTS: [&str; 4] = ["caught", "timeout", "missed", "unviable"];

/// The outcome of each tested mutant.
///
/// Its line in `cargo mutants --list`, and the name of a list.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcomes(BTreeMap<String, String>);

impl Outcomes {
    /// Reads lines of the form `OUTCOME<TAB>MUTANT`; ignores mutants that no longer exist.
    ///
    /// An edit moves the mutants below it, so they count as untested.
    pub(super) fn parse(text: &str, all: &[&str]) -> Self {
        let rows = text.lines().filter_map(|line| line.split_once('\t'));
        let rows = rows.filter(|(_, mutant)| all.contains(mutant));
        Self(
            rows.map(|(list, mutant)| (mutant.into(), list.into()))
                .collect(),
        )
    }

    pub(super) fn text(&self) -> String {
        let line = |(mutant, list)| format!("{list}\t{mutant}\n");
        self.0.iter().map(line).collect()
    }

    /// Adds the lines of a list; the last outcome counts.
    pub(super) fn add(&mut self, list: &str, lines: &str) {
        let rows = lines
            .lines()
            .map(|mutant| (mutant.to_owned(), list.to_owned()));
        self.0.extend(rows);
    }

    /// Returns the mutants with this outcome, one per line.
    pub(super) fn list(&self, list: &str) -> String {
        let rows = self.0.iter().filter(|(_, outcome)| *outcome == list);
        rows.map(|(mutant, _)| format!("{mutant}\n")).collect()
    }

    /// Returns the mutants that were missed or timed out.
    ///
    /// A pause of the machine also looks like a timeout.
    pub(super) fn doubtful(&self) -> Vec<String> {
        let is_doubtful = |list: &String| list == "missed" || list == "timeout";
        let rows = self.0.iter().filter(|(_, list)| is_doubtful(list));
        rows.map(|(mutant, _)| mutant.clone()).collect()
    }

    /// Draws mutants without an outcome at random.
    pub(super) fn draw(&self, all: &[&str], count: usize) -> Vec<String> {
        let random = RandomState::new();
        let untested = all.iter().filter(|mutant| !self.0.contains_key(**mutant));
        let mut untested: Vec<_> = untested.map(|mutant| (*mutant).to_owned()).collect();
        untested.sort_by_key(|mutant| random.hash_one(mutant));
        untested.truncate(count);
        untested
    }
}

/// Returns a regular expression that matches this text only.
pub(super) fn exactly(text: &str) -> String {
    let mut pattern = String::from("^");
    for c in text.chars() {
        if r".+*?()|[]{}^$\".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_outcome_replaces_earlier() {
        let mut outcomes =
            Outcomes::parse("missed\ta\ntimeout\tb\ncaught\tgone\n", &["a", "b", "c"]);
        assert_eq!(outcomes.doubtful(), ["a", "b"]);
        outcomes.add("caught", "a\n");
        assert_eq!(outcomes.text(), "caught\ta\ntimeout\tb\n");
        assert_eq!(outcomes.list("caught"), "a\n");
        assert_eq!(Outcomes::parse(&outcomes.text(), &["a", "b"]), outcomes);
    }

    #[test]
    fn sample_has_untested_mutants_only() {
        let outcomes = Outcomes::parse("caught\ta\n", &["a"]);
        let mut drawn = outcomes.draw(&["a", "b", "c"], 9);
        drawn.sort();
        assert_eq!(drawn, ["b", "c"]);
        assert_eq!(outcomes.draw(&["a", "b", "c"], 1).len(), 1);
    }

    #[test]
    fn pattern_matches_text_literally() {
        assert_eq!(exactly("a.rs:1: f -> (x)"), r"^a\.rs:1: f -> \(x\)$");
    }
}
