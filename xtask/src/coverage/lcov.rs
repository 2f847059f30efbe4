//! The figures of one crate in a report of lcov.

use std::collections::BTreeMap;
use std::fmt;

use crate::cmd::{read, Cx};

/// Lines and branches of a crate's sources.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tally {
    lines: u64,
    executed: u64,
    branches: u64,
    taken: u64,
    /// Lines without execution, by file.
    pub(super) missed: BTreeMap<String, String>,
}

/// Executed lines and taken branches of one file, in all its records.
///
/// A file has a record per report; a branch is its line, block and number.
#[derive(Default)]
struct FileRecord {
    lines: BTreeMap<u64, bool>,
    branches: BTreeMap<String, bool>,
}

impl Tally {
    /// Adds up the files of a crate's `src`.
    ///
    /// A line counts as executed if any report says so.
    pub(super) fn of(cx: &Cx, reports: &str, krate: &str) -> Result<Self, String> {
        let folder = format!("crates/{krate}/src/");
        let mut files: BTreeMap<&str, FileRecord> = BTreeMap::new();
        for record in reports.split("end_of_record") {
            let file = record.lines().find_map(|line| line.strip_prefix("SF:"));
            let Some(at) = file.and_then(|file| file.find(&folder)) else {
                continue;
            };
            let file = &file.unwrap_or_default()[at..];
            if !file.contains("/tests") {
                files.entry(file).or_default().merge(record);
            }
        }
        let mut tally = Self::default();
        for (file, record) in files {
            let end = end_of_code(&read(&cx.root.join(file))?);
            tally.add(&file[folder.len()..], &record, end);
        }
        if tally.lines == 0 {
            return Err(format!("the report has no line of {krate}"));
        }
        Ok(tally)
    }

    /// Adds a file up to the line of its unit tests.
    fn add(&mut self, file: &str, record: &FileRecord, end: u64) {
        let mut missed = Vec::new();
        for (&number, &executed) in record.lines.range(..end) {
            self.lines += 1;
            self.executed += u64::from(executed);
            missed.extend((!executed).then_some(number));
        }
        for (branch, &taken) in &record.branches {
            let line = branch.split(',').next().and_then(|text| text.parse().ok());
            if line.is_some_and(|line: u64| line < end) {
                self.branches += 1;
                self.taken += u64::from(taken);
            }
        }
        if !missed.is_empty() {
            self.missed.insert(file.to_owned(), ranges(&missed));
        }
    }

    pub(super) fn is_enough(&self, percent: u64) -> bool {
        self.executed * 100 >= self.lines * percent
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: u64, all: u64| match all {
            0 => "–".to_owned(),
            all => format!("{}.{} %", part * 100 / all, part * 1000 / all % 10),
        };
        write!(
            f,
            "| {} | {} | {} | {} |",
            self.lines,
            share(self.executed, self.lines),
            self.branches,
            share(self.taken, self.branches)
        )
    }
}

impl FileRecord {
    /// Adds the lines and branches of another record.
    fn merge(&mut self, record: &str) {
        for line in record.lines() {
            let Some((kind, values)) = line.split_once(':') else {
                continue;
            };
            let Some((place, count)) = values.rsplit_once(',') else {
                continue;
            };
            let hit = !["0", "-"].contains(&count);
            match (kind, place.parse()) {
                ("DA", Ok(number)) => *self.lines.entry(number).or_default() |= hit,
                ("BRDA", _) => *self.branches.entry(place.to_owned()).or_default() |= hit,
                _ => {}
            }
        }
    }
}

/// The line of the unit tests at the end of a file.
fn end_of_code(text: &str) -> u64 {
    let mut before = "";
    for (number, line) in (1..).zip(text.lines()) {
        if before == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{') {
            return number;
        }
        before = line;
    }
    u64::MAX
}

/// Joins numbers that follow each other: `3-5, 9`.
fn ranges(numbers: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let part = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the tally of a file with these records.
    fn tally(records: &[&str], end: u64) -> Tally {
        let (mut tally, mut file) = (Tally::default(), FileRecord::default());
        records.iter().for_each(|record| file.merge(record));
        tally.add("b.rs", &file, end);
        tally
    }

    const RECORD: &str = "SF:/x/crates/a/src/b.rs\nFN:1,f\nDA:1,4\nDA:2,0\nDA:3,0\nDA:9,0\n\
                          BRDA:1,0,0,3\nBRDA:1,0,1,-\nBRDA:9,0,0,0\nLF:4\n";

    #[test]
    fn lines_and_branches_before_the_tests() {
        let tally = tally(&[RECORD], 9);
        assert_eq!(tally.to_string(), "| 3 | 33.3 % | 2 | 50.0 % |");
        assert_eq!(tally.missed["b.rs"], "2-3");
        assert!(tally.is_enough(33) && !tally.is_enough(34));
    }

    #[test]
    fn line_of_two_reports_counts_once() {
        let tally = tally(&[RECORD, "DA:1,0\nDA:2,7\nBRDA:1,0,1,1\n"], 9);
        assert_eq!(tally.to_string(), "| 3 | 66.6 % | 2 | 100.0 % |");
        assert_eq!(tally.missed["b.rs"], "3");
    }

    #[test]
    fn tests_end_the_code() {
        assert_eq!(end_of_code("a\n#[cfg(test)]\nmod tests {\n"), 3);
        assert_eq!(end_of_code("a\n#[cfg(test)]\nmod tests;\n"), u64::MAX);
    }
}
