//! `graph`: allows only the architecture's dependencies between crates.
//!
//! ```text
//! transport-core <- transport-limits  <- transport-tcp, -tls, -uds, -arti, -proxy <- ron-transport
//! transport-core <- transport-metrics                                     <- ron-transport
//! ron-transport  <- ron-gateway, transport-http
//! transport-core, transport-limits <- transport-testkit <- testing/*, benches/*
//! ```
//!
//! A crate may depend on every crate below it on its own line of arrows. Crates in `testing/` and
//! `benches/` may depend on all of them and are never published. A published crate names
//! `transport-testkit` and the crates in `testing/` as dev-dependencies only, by path and without a
//! version: cargo then omits them from the package, so that their cycles do not block publishing.
//! xtask has no dependency in either direction.

mod features;
mod slim;
#[cfg(test)]
mod tests;

pub(crate) use features::pulls_in;

use crate::cmd::{no_args, Cx, Outcome};
use crate::meta::{self, Dep, Krate};

pub(crate) const ARTI: &str = "transport-arti";
const TESTKIT: &str = "transport-testkit";
const XTASK: &str = "xtask";
/// Folders of crates that are never published.
const TESTING: &str = "testing";
const BENCHES: &str = "benches";

const CORE: &str = "transport-core";
const LIMITS: &str = "transport-limits";
const METRICS: &str = "transport-metrics";
const BACKEND: &[&str] = &[CORE, LIMITS];

/// The workspace crates that each crate may use, dev-dependencies excluded.
const ARROWS: &[(&str, &[&str])] = &[
    (CORE, &[]),
    (LIMITS, &[CORE]),
    (METRICS, &[CORE]),
    ("transport-tcp", BACKEND),
    ("transport-tls", BACKEND),
    ("transport-uds", BACKEND),
    ("transport-proxy", BACKEND),
    (ARTI, BACKEND),
    (
        "ron-transport",
        &[
            CORE,
            LIMITS,
            METRICS,
            "transport-tcp",
            "transport-tls",
            "transport-uds",
            "transport-proxy",
            ARTI,
        ],
    ),
    ("transport-http", &["ron-transport"]),
    ("ron-gateway", &["ron-transport"]),
    (TESTKIT, BACKEND),
];

/// Checks the workspace, and the dependencies of a slim `transport-tcp`.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    let crates = meta::load(cx)?;
    let mut wrong = violations(&crates);
    if wrong.is_empty() {
        // Cargo cannot resolve the workspace while a wrong arrow closes a cycle.
        wrong = slim::run(cx)?;
    }
    if wrong.is_empty() {
        eprintln!("graph: {} crates, only allowed arrows", crates.len());
        return Ok(());
    }
    for line in &wrong {
        eprintln!("  {line}");
    }
    Err(format!("{} arrows or rules broken", wrong.len()))
}

/// Every broken rule, one line each.
fn violations(crates: &[Krate]) -> Vec<String> {
    let mut wrong = Vec::new();
    for krate in crates {
        let name = &krate.name;
        wrong.extend(arrows(krate, crates));
        let is_internal = name == XTASK || group(krate).is_some();
        if is_internal && krate.published {
            wrong.push(format!("{name} must say `publish = false`"));
        }
        let is_bench = group(krate) == Some(BENCHES);
        if name != ARTI && !is_bench && pulls_in(crates, name, &["default"], ARTI) {
            wrong.push(format!("{name} brings in {ARTI} with its default features"));
        }
    }
    wrong
}

/// The folder of unpublished crates that contains the crate, if any.
fn group(krate: &Krate) -> Option<&'static str> {
    let folder = krate.dir.parent()?.file_name()?;
    [TESTING, BENCHES].into_iter().find(|name| folder == *name)
}

fn arrows(krate: &Krate, crates: &[Krate]) -> Vec<String> {
    let name = krate.name.as_str();
    let arrow = ARROWS.iter().find(|(from, _)| *from == name);
    let allowed = arrow.map(|(_, to)| *to);
    if allowed.is_none() && group(krate).is_none() && name != XTASK {
        return vec![format!(
            "{name} is not in the architecture: add it to the arrows of `graph`"
        )];
    }
    let mut wrong = Vec::new();
    for dep in &krate.deps {
        let Some(to) = crates.iter().find(|other| other.name == dep.package) else {
            continue;
        };
        let problem = problem(krate, dep, to, allowed);
        wrong.extend(problem.map(|why| format!("{name} -> {}: {why}", to.name)));
    }
    wrong
}

/// The rule that one dependency between two crates of the workspace breaks.
fn problem(from: &Krate, dep: &Dep, to: &Krate, allowed: Option<&[&str]>) -> Option<&'static str> {
    let is_test_crate = to.name == TESTKIT || group(to) == Some(TESTING);
    if from.name == XTASK {
        Some("xtask depends on no crate of the workspace")
    } else if to.name == XTASK {
        Some("nothing depends on xtask")
    } else if group(to) == Some(BENCHES) {
        Some("nothing depends on a bench")
    } else if group(from).is_some() {
        None
    } else if dep.dev && is_test_crate && dep.req != "*" {
        Some("a dev-dependency on a test crate has a path and no version")
    } else if dep.dev {
        None
    } else if is_test_crate {
        Some("test crates are dev-dependencies only")
    } else if allowed.is_some_and(|list| list.contains(&to.name.as_str())) {
        None
    } else {
        Some("no such arrow in the architecture")
    }
}
