//! `graph`: the arrows between the crates, as the architecture draws them.
//!
//! ```text
//! transport-core <- transport-limits  <- transport-tcp, -tls, -uds, -arti <- ron-transport
//! transport-core <- transport-metrics                                     <- ron-transport
//! ron-transport  <- ron-gateway
//! ```
//!
//! A crate may use whatever lies below it on its own line of arrows. The test kit is a
//! dev-dependency and nothing else, and xtask stands apart.

mod features;
mod slim;
#[cfg(test)]
mod tests;

pub(crate) use features::pulls_in;

use crate::cmd::{no_args, Cx, Outcome};
use crate::meta::{self, Krate};

pub(crate) const ARTI: &str = "transport-arti";
const TESTKIT: &str = "transport-testkit";
const XTASK: &str = "xtask";

const CORE: &str = "transport-core";
const LIMITS: &str = "transport-limits";
const METRICS: &str = "transport-metrics";
const BACKEND: &[&str] = &[CORE, LIMITS];

/// What each crate may use of the workspace, dev-dependencies aside.
const ARROWS: &[(&str, &[&str])] = &[
    (CORE, &[]),
    (LIMITS, &[CORE]),
    (METRICS, &[CORE]),
    ("transport-tcp", BACKEND),
    ("transport-tls", BACKEND),
    ("transport-uds", BACKEND),
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
            ARTI,
        ],
    ),
    ("ron-gateway", &["ron-transport"]),
];

/// Checks the workspace and what a slim `transport-tcp` compiles.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    let crates = meta::load(cx)?;
    let mut wrong = violations(&crates);
    if wrong.is_empty() {
        // Cargo resolves nothing while a wrong arrow closes a cycle.
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
        wrong.extend(arrows(krate, crates));
        if matches!(krate.name.as_str(), TESTKIT | XTASK) && krate.published {
            wrong.push(format!("{} must say `publish = false`", krate.name));
        }
        if krate.name != ARTI && pulls_in(crates, &krate.name, &["default"], ARTI) {
            wrong.push(format!(
                "{} brings in {ARTI} with its default features",
                krate.name
            ));
        }
    }
    wrong
}

fn arrows(krate: &Krate, crates: &[Krate]) -> Vec<String> {
    let name = krate.name.as_str();
    let allowed = ARROWS
        .iter()
        .find(|(from, _)| *from == name)
        .map(|(_, to)| *to);
    if allowed.is_none() && name != TESTKIT && name != XTASK {
        return vec![format!(
            "{name} is not in the architecture: add it to the arrows of `graph`"
        )];
    }
    let inside = |dep: &&meta::Dep| crates.iter().any(|other| other.name == dep.package);
    let mut wrong = Vec::new();
    for dep in krate.deps.iter().filter(inside) {
        let to = dep.package.as_str();
        let problem = if name == XTASK {
            Some("xtask depends on no crate of the workspace")
        } else if to == XTASK {
            Some("nothing depends on xtask")
        } else if dep.dev || name == TESTKIT {
            None
        } else if to == TESTKIT {
            Some("the test kit is a dev-dependency only")
        } else if allowed.is_some_and(|list| list.contains(&to)) {
            None
        } else {
            Some("no such arrow in the architecture")
        };
        wrong.extend(problem.map(|why| format!("{name} -> {to}: {why}")));
    }
    wrong
}
