//! `edge`: tests the `edge` preset within 64 MiB, and an aarch64 build.

use std::path::PathBuf;

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};

const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// Builds the gateway, for aarch64 too if possible, and runs the harness.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    apt::for_edge(cx)?;
    run_command(&mut cx.cargo(["build", "--release", "-q", "-p", "ron-gateway"]))?;
    let mut command = cx.cargo(["run", "--release", "-q", "-p", "ron-edge", "--"]);
    command.arg("--gateway").arg(cx.optimized("ron-gateway"));
    match foreign(cx) {
        Ok(program) => command.arg("--foreign").arg(program),
        Err(why) => command.arg("--no-foreign").arg(why),
    };
    run_command(command.args(args))
}

/// Builds the gateway for aarch64 with Debian's cross compiler.
fn foreign(cx: &Cx) -> Result<PathBuf, String> {
    apt::for_aarch64(cx)?;
    run_command(&mut cx.program("rustup", ["target", "add", AARCH64]))?;
    let build = ["build", "--release", "-q", "-p", "ron-gateway", "--target"];
    let mut build = cx.cargo(build);
    build.arg(AARCH64);
    build.env(
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
        "aarch64-linux-gnu-gcc",
    );
    run_command(&mut build)?;
    Ok(cx.optimized_for(AARCH64, "ron-gateway"))
}
