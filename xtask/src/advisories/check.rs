//! The test of the step.
//!
//! Its databases have an advisory that matches and one that does not.

use super::Auditor;
use crate::cmd::{run_and_show, write, Cx, Outcome};

/// An advisory, a crate of `Cargo.lock`, and the fixed version.
const MATCHING: (&str, &str, &str) = ("RUSTSEC-2026-9001", "tokio", ">= 999.0.0");
const FIXED: (&str, &str, &str) = ("RUSTSEC-2026-9002", "bytes", ">= 0.0.1");

/// Expects the first alone, and nothing without it.
pub(super) fn run(cx: &Cx) -> Outcome {
    let output = audit(cx, "matching", &[MATCHING, FIXED])?;
    match output {
        (false, text) if text.contains(MATCHING.0) && !text.contains(FIXED.0) => {}
        (_, text) => return Err(format!("{} alone must be found:\n{text}", MATCHING.0)),
    }
    match audit(cx, "fixed", &[FIXED])? {
        (true, _) => Ok(()),
        (false, text) => Err(format!("no advisory matches, but one is found:\n{text}")),
    }
}

fn audit(cx: &Cx, name: &str, advisories: &[(&str, &str, &str)]) -> Result<(bool, String), String> {
    let database = cx.scratch("advisories-check").join(name);
    for (id, krate, patched) in advisories {
        let file = database.join("crates").join(krate).join(format!("{id}.md"));
        write(&file, &advisory(id, krate, patched))?;
    }
    run_and_show(&mut Auditor::new(cx, database)?.lock_file())
}

/// The form of RustSec's database.
fn advisory(id: &str, krate: &str, patched: &str) -> String {
    format!(
        "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{krate}\"\ndate = \"2026-01-01\"\n\n\
         [versions]\npatched = [\"{patched}\"]\n```\n\n# A weakness made for this check\n\nNone.\n"
    )
}
