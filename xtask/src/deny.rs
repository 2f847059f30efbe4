//! `deny`: checks the dependencies against `deny.toml`.
//!
//! `ci` omits the advisories, because each run fetches the database from the network.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};
use crate::tools;

/// Checks bans, licences and sources.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    check(cx, &["bans", "licenses", "sources"])
}

/// Checks for known vulnerabilities, with the database of RustSec.
pub(crate) fn advisories(cx: &Cx) -> Outcome {
    check(cx, &["advisories"])
}

fn check(cx: &Cx, what: &[&str]) -> Outcome {
    let deny = tools::DENY.find_or_install(cx)?;
    // Duplicate versions are warnings; their full trees would bury the result.
    run_command(
        cx.program(deny, ["--all-features", "check", "--hide-inclusion-graph"])
            .args(what),
    )
}
