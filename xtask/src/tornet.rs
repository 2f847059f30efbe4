//! `tornet`: starts and stops the tests' private Tor network.

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};

/// Starts or stops the network in `target/tornet`.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let verb = match args {
        [verb] if verb == "up" || verb == "down" => verb,
        _ => return Err("use `tornet up` or `tornet down`".into()),
    };
    if verb == "up" {
        apt::tor(cx)?;
    }
    let mut cargo = cx.cargo(["run", "-q", "-p", "ron-tornet", "--", verb]);
    run_command(cargo.arg(cx.scratch("tornet")))
}
