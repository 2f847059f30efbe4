//! `clippy`: warnings are errors, with the default and with every feature.
//!
//! The remaining feature set, none at all, is checked crate by crate in `alone`: in one
//! workspace build the features of all crates are unified, which hides what a crate lacks.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};

/// Runs clippy over every target of the workspace, once for each feature set.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    for features in [None, Some("--all-features")] {
        let mut command = cx.cargo(["clippy", "--workspace", "--all-targets"]);
        command.args(features).args(["--", "-D", "warnings"]);
        run_command(&mut command)?;
    }
    Ok(())
}
