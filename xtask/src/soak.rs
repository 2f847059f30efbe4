//! `soak`: minutes of load on optimized gateways and examples; fails on growth.

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};

/// Builds gateway and examples, and runs the harness with the arguments.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    apt::for_soak(cx)?;
    run_command(&mut cx.cargo(["build", "--release", "-q", "-p", "ron-gateway"]))?;
    let mut examples = cx.cargo(["build", "--release", "-q", "-p", "transport-http"]);
    examples.args(["--features", "hyper,tonic"]);
    run_command(examples.args(["--example", "axum", "--example", "tonic"]))?;
    let gateway = cx.optimized("ron-gateway");
    let mut command = cx.cargo(["run", "--release", "-q", "-p", "ron-soak", "--"]);
    command.arg("--gateway").arg(&gateway);
    command
        .arg("--examples")
        .arg(gateway.with_file_name("examples"));
    command.arg("--out").arg(cx.scratch("soak"));
    run_command(command.args(args))
}
