//! `loom`: checks the concurrency models of `transport-limits`.
//!
//! Loom runs every interleaving. The cfg is `ron_loom`, because `--cfg loom` would change tokio too. It
//! needs RUSTFLAGS, which rebuilds everything, so the step has a target folder of its own.

use crate::cmd::{run_and_keep, Cx, Outcome};

/// Runs the models; arguments go to the test binary.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let mut command = cx.cargo([
        "test",
        "-p",
        "transport-limits",
        "--lib",
        "--release",
        "loom",
        "--",
    ]);
    command
        .args(args)
        .env("RUSTFLAGS", "--cfg ron_loom")
        .env("CARGO_TARGET_DIR", cx.scratch("loom"))
        // Link-time optimization costs a minute and finds no error.
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    let output = run_and_keep(&mut command)?;
    match passed(&output) {
        0 => {
            Err("no loom model ran: transport-limits must have a test module `loom_models`".into())
        }
        _ => Ok(()),
    }
}

/// The number of passed tests in the output of a test binary.
fn passed(output: &str) -> usize {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|rest| rest.split_once(" passed")?.0.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_without_model_is_noticed() {
        let none = "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored;\n";
        assert_eq!(passed(none), 0);
        assert_eq!(passed(""), 0);
        assert_eq!(
            passed("test result: ok. 3 passed; 0 failed; 0 ignored;\n"),
            3
        );
    }
}
