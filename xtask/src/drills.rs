//! `drill`: the operator's drills against the built gateway; `drills`: the quick ones.
//!
//! `testing/drills` has the drills; this step installs the programs that they run.

use std::path::Path;
use std::process::Command;

use crate::cmd::{no_args, run as run_command, Cx, Outcome};
use crate::{apt, balancers};

/// Runs the drills that the arguments choose, or lists them.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    if args.is_empty() {
        return Err(
            "no drill is chosen: `drill [NAME…|--all|--list] [--json] [--watch 10m]`".into(),
        );
    }
    if !args.iter().any(|arg| arg == "--list") {
        apt::for_drills(cx)?;
        let mut build = cx.cargo(["build", "-p", "ron-gateway"]);
        if args
            .iter()
            .any(|arg| arg == "--all" || arg.starts_with("arti-"))
        {
            apt::tor(cx)?;
            build.arg("--all-features");
        }
        run_command(&mut build)?;
    }
    let mut harness = harness(cx);
    let needs_envoy = |arg: &String| arg == "--all" || arg == "behind-envoy";
    if args.iter().any(needs_envoy) {
        // Without it the drill is skipped.
        match balancers::envoy(cx) {
            Ok(program) => add_to_path(&mut harness, &program)?,
            Err(why) => eprintln!("not installed: Envoy ({why})"),
        }
    }
    run_command(harness.args(args))
}

/// Lets the command find a program by its name.
fn add_to_path(command: &mut Command, program: &Path) -> Outcome {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = program.parent().map(Path::to_path_buf).into_iter();
    let folders = folders.chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).map_err(|e| format!("PATH: {e}"))?;
    command.env("PATH", path);
    Ok(())
}

/// Runs the quick drills.
pub(crate) fn quick(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    run(cx, &["--quick".to_owned()])
}

/// The harness, with the paths of gateway and results page.
fn harness(cx: &Cx) -> Command {
    let mut command = cx.cargo(["run", "-q", "-p", "ron-drills", "--"]);
    command.arg("--gateway").arg(cx.built("ron-gateway"));
    command
        .arg("--page")
        .arg(cx.root.join("docs/reports/DRILLS.md"));
    command
}
