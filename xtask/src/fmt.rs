//! `fmt`: checks the formatting of the whole workspace.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};

/// Runs `cargo fmt --check`.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    run_command(&mut cx.cargo(["fmt", "--all", "--check"]))
}
