//! `fuzz`: runs a fuzz target under libFuzzer, with a nightly toolchain.

use crate::cmd::{run as run_command, Cx, Outcome};
use crate::tools;

/// Targets: the name, and the crate with the folder `fuzz`.
const TARGETS: &[(&str, &str)] = &[
    ("escape", "crates/transport-core"),
    ("pem", "crates/transport-tls"),
];
/// The default duration of a run, in seconds.
const SECONDS: &str = "-max_total_time=60";

/// Runs the target that the first argument names, with libFuzzer's arguments.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let known = || {
        TARGETS
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some((name, rest)) = args.split_first() else {
        return Err(format!("no target is chosen: {}", known()));
    };
    let Some((_, krate)) = TARGETS.iter().find(|(target, _)| target == name) else {
        return Err(format!("unknown fuzz target {name:?}: {}", known()));
    };
    let tool = tools::FUZZ.find_or_install(cx)?;
    let tool_dir = tool.parent().map(std::path::Path::to_path_buf);
    let mut command = cx.program("cargo", ["+nightly", "fuzz", "run", name, "--"]);
    command.current_dir(cx.root.join(krate));
    // These variables name the toolchain that runs xtask, not the nightly one.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    if let Some(dir) = tool_dir.filter(|dir| dir.is_absolute()) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(dir).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(dirs).map_err(|e| e.to_string())?;
        command.env("PATH", path);
    }
    run_command(command.args(if rest.is_empty() {
        vec![SECONDS.to_owned()]
    } else {
        rest.to_vec()
    }))
}
