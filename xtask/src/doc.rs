//! `doc`: the documentation builds without a warning (broken links among them).

use crate::cmd::{no_args, run as run_command, Cx, Outcome};

/// Builds the documentation of the workspace's own crates.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    // RUSTDOCFLAGS reaches rustdoc alone, so no dependency is compiled again for it.
    run_command(
        cx.cargo(["doc", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
