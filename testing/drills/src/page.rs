//! `docs/reports/DRILLS.md`: results of the last full run, next due date.

use std::fs;
use std::path::Path;

use crate::date::Day;
use crate::table::Table;

/// A quarter of a year, in days.
const QUARTER: i64 = 91;
const DUE: &str = "Next run due: ";

/// Writes the page.
pub(crate) fn write(page: &Path, table: &Table, version: &str) -> Result<(), String> {
    let text = text(table, version, Day::today());
    fs::write(page, text).map_err(|e| format!("writing {}: {e}", page.display()))
}

fn text(table: &Table, version: &str, today: Day) -> String {
    format!(
        "<!-- Written by `cargo xtask drill --all`; do not edit. -->\n\
         # Drills\n\n\
         For operators: the failures of the [runbook](../RUNBOOK.md), caused deliberately against the\n\
         built gateway, with their signals and cures. `cargo xtask drill NAME` runs one,\n\
         `cargo xtask drill --all` all of them and writes this page; `--list` prints the names. The quick\n\
         ones are part of `cargo xtask ci`, where times and ratios do not decide.\n\n\
         Version: {version}\n\
         Date: {today}\n\
         {DUE}{due}\n\n\
         Result: {counts}\n\n\
         {rows}",
        due = today.plus(QUARTER),
        counts = table.counts(),
        rows = table.markdown(),
    )
}

/// Warns if the last full run is overdue or unknown.
pub(crate) fn warn_if_overdue(page: &Path) {
    let text = fs::read_to_string(page).unwrap_or_default();
    if let Some(warning) = overdue(&text, Day::today()) {
        eprintln!("WARNING: {warning}");
    }
}

fn overdue(page: &str, today: Day) -> Option<String> {
    let due = page.lines().find_map(|line| line.strip_prefix(DUE));
    let Some(due) = due.and_then(|due| Day::parse(due.trim())) else {
        return Some("no full run of the drills is recorded; run `cargo xtask drill --all`".into());
    };
    (due < today)
        .then(|| format!("the quarterly drills were due on {due}; run `cargo xtask drill --all`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drills::DRILLS;

    #[test]
    fn run_due_after_a_quarter() {
        let run = Day::parse("2026-01-15").unwrap();
        let page = text(&Table::default(), "ron-gateway 0.1.0", run);
        assert!(page.contains("\nNext run due: 2026-04-16\n"), "{page}");
        assert_eq!(overdue(&page, run.plus(QUARTER)), None);
        let warning = overdue(&page, run.plus(QUARTER + 1)).unwrap();
        assert!(warning.contains("2026-04-16"), "{warning}");
        assert!(overdue("", run).unwrap().contains("no full run"));
    }

    #[test]
    fn page_has_one_row_per_drill() {
        let page = include_str!("../../../docs/reports/DRILLS.md");
        let rows = page.lines().filter(|line| line.starts_with("| "));
        let rows: Vec<_> = rows.skip(1).collect();
        assert_eq!(rows.len(), DRILLS.len());
        for (drill, row) in DRILLS.iter().zip(rows) {
            let name = format!("| `{}` | {} |", drill.name, drill.fault);
            assert!(row.contains(&name), "{name} is not in {row}");
        }
    }
}
