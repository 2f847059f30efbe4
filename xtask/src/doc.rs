//! `doc`: builds the documentation; warnings such as broken links are errors.

use crate::cmd::{no_args, run as run_command, Cx, Outcome};

/// Builds the documentation of the workspace's own crates.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    // RUSTDOCFLAGS affects rustdoc only, so no dependency is compiled again.
    run_command(
        cx.cargo(["doc", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
