//! `sim`: runs seeds of the simulation of a transport.
//!
//! It needs `--cfg tokio_unstable`, with which the branches of `select!` have a seed. That rebuilds
//! tokio and everything above it, so the step has a target folder of its own.

use crate::cmd::{run as run_command, Cx, Outcome};

/// Builds the simulation and runs it; arguments go to it.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let target = cx.scratch("sim");
    let mut build = cx.cargo(["build", "-q", "-p", "ron-sim", "--profile", "sim"]);
    build
        .env("RUSTFLAGS", "--cfg tokio_unstable")
        .env("CARGO_TARGET_DIR", &target);
    run_command(&mut build)?;
    let program = target.join("sim").join("ron-sim");
    run_command(&mut cx.program(program, args))
}
