//! The runbook: drills, reasons and the one-line metric query.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use ron_transport::{ReadyReason, Reason};

use super::page::{page, pages, spans};
use super::proofs::is_test;
use crate::common::{command, Gateway};

/// Metric families of the one-line query.
const FAMILIES: [&str; 7] = [
    "transport_dials_total",
    "transport_accepts_total",
    "rejected_total",
    "bytes_in_total",
    "bytes_out_total",
    "conn_inflight",
    "handshake_latency_seconds",
];

/// Returns the drills of the results page.
///
/// A test of its own compares that page with the code.
pub(super) fn drills() -> BTreeSet<String> {
    let page = page("reports/DRILLS.md");
    let rows = page.rows();
    let cells = rows.iter().filter_map(|row| row.cell("drill"));
    let names: BTreeSet<_> = cells.flat_map(spans).map(str::to_owned).collect();
    assert!(names.len() >= 26, "{names:?}");
    names
}

#[test]
fn every_row_has_a_proof_every_drill_a_row() {
    let drills = drills();
    let mut named = BTreeSet::new();
    let mut rows = 0;
    for row in page("RUNBOOK.md").rows() {
        let Some(cell) = row.cell("drill") else {
            continue;
        };
        rows += 1;
        let line = row.line;
        let mut proofs = 0;
        for name in spans(cell) {
            proofs += 1;
            if cell.starts_with("test ") {
                assert!(is_test(name), "RUNBOOK.md:{line}: unknown test {name}");
            } else {
                assert!(
                    drills.contains(name),
                    "RUNBOOK.md:{line}: unknown drill {name}"
                );
                named.insert(name.to_owned());
            }
        }
        assert!(proofs > 0, "RUNBOOK.md:{line}: neither drill nor test");
    }
    assert!(rows > 50, "{rows}");
    let missing: Vec<_> = drills.difference(&named).collect();
    assert!(missing.is_empty(), "not in the runbook: {missing:?}");
}

#[test]
fn every_reason_is_explained() {
    let runbook = page("RUNBOOK.md").text;
    let manual = page("OBSERVABILITY.md");
    let rows = manual.rows();
    let explained: Vec<_> = rows
        .iter()
        .filter(|row| row.cell("check").is_some())
        .filter_map(|row| row.cell("reason"))
        .collect();
    let all = Reason::ALL.map(|reason| format!("`{reason}`"));
    assert_eq!(explained, all);
    for reason in Reason::ALL {
        // The runbook may name the series or only the field.
        let found = runbook.contains(&format!("reason=\"{reason}\""));
        assert!(found, "{reason} is not in the runbook");
    }
    for reason in ReadyReason::NOT_READY {
        let name = format!("`{}`", reason.as_str());
        assert!(runbook.contains(&name), "{name} is not in the runbook");
    }
}

#[test]
fn one_line_query_finds_every_family() {
    let gateway = Gateway::start(&[]);
    let metrics = gateway.get("/metrics").body;
    let mut in_the_runbook = 0;
    for page in pages() {
        for code in page.code() {
            let Some((_, rest)) = code.text.split_once("| grep -E '^(transport_") else {
                continue;
            };
            in_the_runbook += usize::from(page.name == "RUNBOOK.md");
            let pattern = format!("^(transport_{}", rest.split('\'').next().unwrap());
            let found = grep(&pattern, &metrics);
            for family in FAMILIES {
                let is_it = |line: &str| {
                    let rest = line.strip_prefix(family);
                    rest.is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
                };
                let found = found.lines().any(is_it);
                assert!(found, "{}:{} misses {family}", page.name, code.line);
            }
            assert!(found.lines().all(|line| !line.starts_with('#')));
        }
    }
    assert_eq!(in_the_runbook, 1);
}

/// Returns the output of `grep -E`.
fn grep(pattern: &str, text: &str) -> String {
    let mut grep = command("grep");
    let grep = grep.args(["-E", pattern]);
    let mut grep = grep
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = grep.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = grep.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{pattern} finds nothing");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn front_matter_has_owner_and_audience() {
    let runbook = page("RUNBOOK.md").text;
    let matter = runbook.strip_prefix("---\n").unwrap();
    let (matter, _) = matter.split_once("\n---\n").unwrap();
    let value = |name: &str| {
        let line = matter.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}")).trim()
    };
    for name in ["title:", "owner:", "audience:"] {
        assert!(!value(name).is_empty(), "{name}");
    }
    assert_eq!(
        value("msrv:"),
        concat!(env!("CARGO_PKG_RUST_VERSION"), ".0")
    );
    let day: Vec<_> = value("last-reviewed:").split('-').collect();
    let lengths: Vec<_> = day.iter().map(|part| part.len()).collect();
    assert_eq!(lengths, [4, 2, 2]);
    assert!(day.concat().bytes().all(|c| c.is_ascii_digit()), "{day:?}");
}
