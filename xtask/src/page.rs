//! `page`: tests the status page in headless Chromium; pictures in `target/page`.

use crate::apt;
use crate::cmd::{no_args, run as run_command, Cx, Outcome};

/// Tests the page idle, under load, reloaded, draining and stopped.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    apt::make_sure(cx, &("chromium", "--version", "chromium"))?;
    run_command(&mut cx.cargo(["build", "-q", "-p", "ron-gateway"]))?;
    let mut harness = cx.cargo(["run", "-q", "-p", "ron-ops", "--", "page"]);
    harness.arg(cx.built("ron-gateway"));
    run_command(harness.arg(cx.scratch("page")))
}
