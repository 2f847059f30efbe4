//! The test of the step.
//!
//! Its databases have advisories that match and others that do not.

use std::path::Path;

use super::Auditor;
use crate::cmd::{run_and_show, write, Cx, Outcome};

type Advisory = (&'static str, &'static str, &'static str);

/// An advisory, a crate of every gateway, and the fixed version.
const MATCHING: Advisory = ("RUSTSEC-2026-9001", "tokio", ">= 999.0.0");
const FIXED: Advisory = ("RUSTSEC-2026-9002", "bytes", ">= 0.0.1");
/// A crate of `Cargo.lock` that only benches use: no program contains it.
const NOT_SHIPPED: Advisory = ("RUSTSEC-2026-9003", "criterion", ">= 999.0.0");
/// A crate that is in no lock file of this workspace.
const ABSENT: Advisory = ("RUSTSEC-2026-9004", "openssl", ">= 999.0.0");
const ALL: &[Advisory] = &[MATCHING, FIXED, NOT_SHIPPED, ABSENT];
const QUIET: &[Advisory] = &[FIXED, ABSENT];

/// Expects the advisories that match, and nothing without them.
pub(super) fn run(cx: &Cx, programs: &[String]) -> Outcome {
    let database = |name: &str, advisories: &[Advisory]| {
        let folder = cx.scratch("advisories-check").join(name);
        for (id, krate, patched) in advisories {
            let file = folder.join("crates").join(krate).join(format!("{id}.md"));
            write(&file, &advisory(id, krate, patched))?;
        }
        Auditor::new(cx, folder)
    };
    let (all, quiet) = (database("all", ALL)?, database("quiet", QUIET)?);
    let locked = run_and_show(&mut all.lock_file())?;
    finds("Cargo.lock", &locked, &[MATCHING, NOT_SHIPPED])?;
    finds("Cargo.lock", &run_and_show(&mut quiet.lock_file())?, &[])?;
    for program in programs {
        let path = Path::new(program);
        let found = run_and_show(&mut all.program(path)?)?;
        finds(program, &found, &[MATCHING])?;
        finds(program, &run_and_show(&mut quiet.program(path)?)?, &[])?;
    }
    Ok(())
}

/// Fails unless these advisories are found, and no other.
fn finds(of: &str, (passed, text): &(bool, String), expected: &[Advisory]) -> Outcome {
    for one in ALL {
        let is_expected = expected.contains(one);
        if text.contains(one.0) != is_expected {
            let not = if is_expected { "not " } else { "" };
            return Err(format!("{of}: {} is {not}found:\n{text}", one.0));
        }
    }
    if *passed == expected.is_empty() {
        return Ok(());
    }
    Err(format!("{of}: the result contradicts the report:\n{text}"))
}

/// The form of RustSec's database.
fn advisory(id: &str, krate: &str, patched: &str) -> String {
    format!(
        "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{krate}\"\ndate = \"2026-01-01\"\n\n\
         [versions]\npatched = [\"{patched}\"]\n```\n\n# A weakness made for this check\n\nNone.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_must_equal_expectation() {
        let report = |passed, text: &str| (passed, text.to_owned());
        let found = report(false, "RUSTSEC-2026-9001: tokio");
        assert!(finds("a", &found, &[MATCHING]).is_ok());
        let why = finds("a", &found, &[]).unwrap_err();
        assert!(why.starts_with("a: RUSTSEC-2026-9001 is found"), "{why}");
        let why = finds("a", &found, &[MATCHING, NOT_SHIPPED]).unwrap_err();
        assert!(
            why.starts_with("a: RUSTSEC-2026-9003 is not found"),
            "{why}"
        );
        assert!(finds("a", &report(true, ""), &[]).is_ok());
        assert!(finds("a", &report(true, "RUSTSEC-2026-9001"), &[MATCHING]).is_err());
    }
}
