//! `test`: every test of the workspace with every feature.

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};
use crate::tools;

/// Runs the tests; arguments go to the runner (`cargo xtask test -p transport-limits`).
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    apt::for_tests(cx)?;
    let mut command = match tools::NEXTEST.find_or_install(cx) {
        Ok(nextest) => cx.program(nextest, ["nextest", "run"]),
        Err(why) => {
            eprintln!("nextest is not to be had ({why}); running cargo test");
            cx.cargo(["test", "--lib", "--bins", "--tests", "--examples"])
        }
    };
    if !args.iter().any(|arg| arg == "-p" || arg == "--package") {
        command.arg("--workspace");
    }
    run_command(command.arg("--all-features").args(args))
}
