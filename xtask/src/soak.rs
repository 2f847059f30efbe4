//! `soak`: ten minutes of load on optimized gateways; fails on growth.

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};

/// Builds the gateway and runs the harness with the arguments.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    apt::for_soak(cx)?;
    run_command(&mut cx.cargo(["build", "--release", "-q", "-p", "ron-gateway"]))?;
    let mut command = cx.cargo(["run", "--release", "-q", "-p", "ron-soak", "--"]);
    command.arg("--gateway").arg(cx.optimized("ron-gateway"));
    command.arg("--out").arg(cx.scratch("soak"));
    run_command(command.args(args))
}
