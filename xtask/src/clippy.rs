//! `clippy`: warnings are errors, with default and with all features.
//!
//! `alone` checks each crate without features; a workspace build unifies the features of all crates and
//! would hide a missing one.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};

/// Runs clippy with default features, then over the workspace with all.
///
/// The benches in the workspace depend on Arti, so only the default members have default features.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    for scope in [&[][..], &["--workspace", "--all-features"]] {
        let mut command = cx.cargo(["clippy", "--all-targets"]);
        command.args(scope).args(["--", "-D", "warnings"]);
        run_command(&mut command)?;
    }
    Ok(())
}
