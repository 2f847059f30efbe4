//! `drill`: the operator's drills against the built gateway; `drills`: the quick ones.
//!
//! `testing/drills` has the drills; this step installs the programs that they run.

use std::process::Command;

use crate::apt;
use crate::cmd::{no_args, run as run_command, Cx, Outcome};

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
    run_command(harness(cx).args(args))
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
