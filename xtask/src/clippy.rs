//! `clippy`: warnings are errors, with the default and with every feature.
//!
//! The remaining feature set, none at all, is checked crate by crate in `alone`: in one
//! workspace build the features of all crates are unified, which hides what a crate lacks.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};

/// Runs clippy over the default members with their default features, then over the workspace.
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
