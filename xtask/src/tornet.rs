//! `tornet`: the tests' private Tor network for a person, until it is told to go.

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};

/// Brings the network up or down, in `target/tornet`.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let verb = match args {
        [verb] if verb == "up" || verb == "down" => verb,
        _ => return Err("up or down?".into()),
    };
    if verb == "up" {
        apt::tor(cx)?;
    }
    let mut cargo = cx.cargo(["run", "-q", "-p", "ron-tornet", "--", verb]);
    run_command(cargo.arg(cx.scratch("tornet")))
}
