//! Tests, commands, files and headings that documents refer to.

use std::path::Path;

use super::page::{page, pages, root, spans, words};
use super::runbook::drills;

/// Returns whether `path.rs::name` is a test, or `path.rs` a file.
///
/// Paths are below `crates/`.
pub(super) fn is_test(proof: &str) -> bool {
    let (path, name) = proof.split_once("::").unwrap_or((proof, ""));
    let is_code = Path::new(path).extension().is_some_and(|end| end == "rs");
    let Ok(text) = std::fs::read_to_string(root().join("crates").join(path)) else {
        return false;
    };
    let is_there = |end| text.contains(&format!("fn {name}{end}"));
    is_code && (name.is_empty() || is_there('(') || is_there('<'))
}

/// Returns the steps of `cargo xtask`.
fn steps() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("xtask/src/steps.rs")).unwrap();
    let table = text.split("const STEPS").nth(1).unwrap();
    let steps = table.split("step(").skip(1);
    let steps = steps.filter_map(|step| step.trim_start().strip_prefix('"'));
    let steps = steps.filter_map(|step| step.split('"').next());
    // `ci` runs the table, so it is not in it.
    let steps: Vec<_> = steps.chain(["ci"]).map(str::to_owned).collect();
    assert!(steps.len() > 20, "{steps:?}");
    steps
}

#[test]
fn every_invariant_and_gate_has_a_proof() {
    let (mut proofs, drills) = (0, drills());
    for row in page("VERIFICATION.md").rows() {
        let Some(cell) = row.cell("proof") else {
            continue;
        };
        assert!(spans(cell).next().is_some(), "VERIFICATION.md:{}", row.line);
        for proof in spans(cell) {
            proofs += 1;
            let is_command = proof.starts_with("cargo xtask ");
            assert!(
                is_command || is_test(proof) || drills.contains(proof),
                "VERIFICATION.md:{}: unknown proof {proof}",
                row.line
            );
        }
    }
    assert!(proofs > 60, "{proofs}");
}

#[test]
fn every_step_is_documented() {
    let page = page("VERIFICATION.md").text;
    for step in steps().iter().filter(|step| *step != "test") {
        let is_there = [' ', '`'].map(|end| format!("`cargo xtask {step}{end}"));
        assert!(
            is_there.iter().any(|text| page.contains(text)),
            "cargo xtask {step} is not in VERIFICATION.md"
        );
    }
}

#[test]
fn every_command_is_a_step() {
    let steps = steps();
    let mut commands = 0;
    for page in pages() {
        for code in page.code() {
            for command in code.text.split("cargo xtask ").skip(1) {
                let name = command.split_whitespace().next().unwrap_or_default();
                let is_step = steps.iter().any(|step| step == name);
                assert!(is_step, "{}:{}: {}", page.name, code.line, code.text);
                commands += 1;
            }
        }
    }
    assert!(commands > 50, "{commands}");
}

#[test]
fn every_documented_file_exists() {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let crates: Vec<_> = crates
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let (mut named, mut wrong) = (0, Vec::new());
    for page in pages() {
        for code in page.code() {
            for path in words(&code.text).flat_map(alternatives) {
                let path = path.trim_end_matches(['.', ':']);
                let first = path.split('/').next().unwrap_or_default();
                let is_prefix = path.parse::<ron_transport::limits::IpPrefix>().is_ok();
                if !path.contains('/') || path.contains('…') || is_prefix {
                    continue;
                }
                let exists = match first {
                    _ if path.contains("::") => is_test(path),
                    "crates" | "docs" | "xtask" => root().join(path).exists(),
                    _ if crates.iter().any(|name| name == first) => {
                        let path = root().join("crates").join(path);
                        path.exists() || path.with_extension("rs").exists()
                    }
                    _ => continue,
                };
                named += 1;
                if !exists {
                    wrong.push(format!("{}:{}: {path}", page.name, code.line));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "missing files: {wrong:#?}");
    assert!(named > 100, "{named}");
}

/// Returns a word, unless it is half of `a/{b,c}.rs`.
fn alternatives(word: &str) -> Vec<String> {
    // Skip the halves.
    if word.contains(['{', '}']) {
        return Vec::new();
    }
    vec![word.to_owned()]
}

#[test]
fn every_link_has_a_target() {
    let (mut links, mut wrong) = (0, Vec::new());
    for here in pages() {
        for link in here.text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() {
                here.name.clone()
            } else {
                let folder = here.name.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{file}")
            };
            let file = file.trim_start_matches('/');
            let exists = root().join("docs").join(file).exists();
            if !exists || !(heading.is_empty() || anchors(file).any(|name| name == heading)) {
                wrong.push(format!("{}: {link}", here.name));
            }
        }
    }
    assert!(wrong.is_empty(), "dead links: {wrong:#?}");
    assert!(links > 50, "{links}");
}

/// Returns the anchors of the headings of a document.
fn anchors(file: &str) -> impl Iterator<Item = String> {
    let text = page(file).text;
    let headings: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
    let anchor = |line: &&str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c })
            .collect::<String>()
    };
    headings.iter().map(anchor).collect::<Vec<_>>().into_iter()
}
