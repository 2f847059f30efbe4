//! `test`: every test of the workspace with every feature, but those on the private Tor network;
//! `test-tor`: these.

use crate::apt;
use crate::cmd::{run as run_command, Cx, Outcome};
use crate::tools;

/// What needs the private network. Nextest gives each test a process of its own, and with that a
/// network of its own; these share one.
const ON_TOR: &[&str] = &["tornet", "tor"];

/// Where the property tests draw from: the same numbers in each run, so that what one run finds the
/// next one finds too. Set it to another number to look elsewhere.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Runs the tests; arguments go to the runner (`cargo xtask test -p transport-limits`).
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    apt::for_tests(cx)?;
    let mut command = match tools::NEXTEST.find_or_install(cx) {
        Ok(nextest) => {
            let not = |test: &&str| format!("not binary({test})");
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
    command.arg("--all-features").args(args);
    if std::env::var_os(SEED).is_none() {
        command.env(SEED, "20261125");
    }
    run_command(&mut command)
}

/// Runs the tests on the private network; arguments go to them. Of the whole workspace, so that
/// nothing is compiled with other features than for the other tests.
pub(crate) fn on_tor(cx: &Cx, args: &[String]) -> Outcome {
    apt::tor(cx)?;
    let tests = ON_TOR.iter().flat_map(|test| ["--test", test]);
    let command = ["test", "--workspace", "--all-features", "--no-fail-fast"];
    let command = cx.cargo(command.into_iter().chain(tests).chain(["--"]));
    run_command({ command }.args(args))
}
