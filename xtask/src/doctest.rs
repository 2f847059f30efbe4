//! `doctest`: runs the examples in the documentation; nextest does not.

use crate::cmd::{run as run_command, Cx, Outcome};

/// Runs `cargo test --doc`; arguments go to cargo.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    run_command(
        cx.cargo(["test", "--doc", "--workspace", "--all-features"])
            .args(args),
    )
}
