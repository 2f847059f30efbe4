//! Compares the contract page of `transport-core` with the cases of the suite.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn source(path: &str) -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(crates.join(path)).unwrap()
}

/// The cases that `conformance!` runs.
fn cases() -> BTreeSet<String> {
    let suite = source("transport-testkit/src/conformance.rs");
    let list = suite.split("[$($flavour)*],").nth(1).unwrap();
    let list = list.split('}').next().unwrap();
    list.split_whitespace().map(str::to_owned).collect()
}

/// The rows of the page: rule and last column.
fn rules() -> Vec<(String, String)> {
    let page = source("transport-core/src/contract.rs");
    let rows = page.lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows = rows.filter(|row| !row.starts_with("rule |"));
    rows.map(|row| {
        let mut columns = row.trim_end_matches('|').split(" | ");
        let rule = columns.next().unwrap().to_owned();
        (rule, columns.last().unwrap().trim().to_owned())
    })
    .collect()
}

/// The names in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_rule_names_cases_or_a_reason() {
    let (cases, rules) = (cases(), rules());
    assert!(cases.len() > 80 && rules.len() > 25, "{cases:?} {rules:?}");
    for (rule, checks) in rules {
        if let Some(reason) = checks.strip_prefix("not checked") {
            assert!(reason.contains(": "), "{rule}: no reason");
            continue;
        }
        assert!(quoted(&checks).next().is_some(), "{rule}: no case");
        for case in quoted(&checks) {
            assert!(cases.contains(case), "{rule}: {case} is no case");
        }
    }
}

#[test]
fn every_case_of_the_contract_has_a_rule() {
    let raw = source("transport-testkit/src/conformance/contract.rs");
    let names = raw.lines().filter_map(|line| {
        let name = line.strip_prefix("pub async fn ")?;
        Some(name.split('<').next().unwrap().to_owned())
    });
    let rules = rules();
    for name in names {
        let named = rules
            .iter()
            .any(|(_, checks)| quoted(checks).any(|case| case == name));
        assert!(named, "{name} is not on the page");
        assert!(cases().contains(&name), "{name} is not in the suite");
    }
}

#[test]
fn every_named_rule_is_on_the_page() {
    let raw = source("transport-testkit/src/conformance/contract.rs");
    let known: BTreeSet<_> = rules().into_iter().map(|(rule, _)| rule).collect();
    let mut named = 0;
    for part in raw.split("\"rule ").skip(1) {
        let rule = part.split([':', '{']).next().unwrap();
        if !rule.is_empty() {
            assert!(known.contains(rule), "{rule} is not on the page");
            named += 1;
        }
    }
    for part in raw.split("soon(\"").skip(1) {
        let rule = part.split('"').next().unwrap();
        assert!(known.contains(rule), "{rule} is not on the page");
        named += 1;
    }
    assert!(named > 20, "{named}");
}
