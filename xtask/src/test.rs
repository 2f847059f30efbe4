//! `test`: every test of the workspace with every feature, but those on the private Tor network;
//! `test-tor`: these.

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};
use crate::tools;

/// What needs the private network. Nextest gives each test a process of its own, and with that a
/// network of its own; these share one.
const ON_TOR: &[(&str, &str)] = &[("transport-testkit", "tornet"), ("transport-arti", "tor")];

/// Runs the tests; arguments go to the runner (`cargo xtask test -p transport-limits`).
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    apt::for_tests(cx)?;
    let mut command = match tools::NEXTEST.find_or_install(cx) {
        Ok(nextest) => {
            let not = |(_, test): &(&str, &str)| format!("not binary({test})");
            let filter = ON_TOR.iter().map(not).collect::<Vec<_>>().join(" and ");
            cx.program(nextest, ["nextest", "run", "-E", &filter])
        }
        Err(why) => {
            eprintln!("nextest is not to be had ({why}); running cargo test");
            cx.cargo(["test", "--lib", "--bins", "--tests", "--examples"])
        }
    };
    if !args.iter().any(|arg| arg == "-p" || arg == "--package") {
        command.arg("--workspace");
    }
    run_command(command.arg("--all-features").args(args))
}

/// Runs the tests on the private network; arguments go to them.
pub(crate) fn on_tor(cx: &Cx, args: &[String]) -> Outcome {
    apt::tor(cx)?;
    for (package, test) in ON_TOR {
        let command = [
            "test",
            "-p",
            package,
            "--all-features",
            "--test",
            test,
            "--",
        ];
        run_command(cx.cargo(command).args(args))?;
    }
    Ok(())
}
