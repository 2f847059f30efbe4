//! `edge`: the preset for small devices within 64 MiB, and a build for aarch64 under emulation.

use std::path::PathBuf;

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};

const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// Builds both programs and what else can be built, and runs the harness; the arguments go to it.
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

/// The gateway for aarch64, with Debian's cross compiler and the toolchain's own library.
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
