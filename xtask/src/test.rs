//! `test`: all tests with all features; `test-tor`: tests on the Tor network.
//!
//! `test` omits the tests that need the private Tor network.

use std::process::Command;

use crate::apt;
use crate::cmd::{run as run_command, run_and_show, Cx, Outcome};
use crate::tools;

/// Test binaries that need the private Tor network.
///
/// They share one network. Nextest runs each test in a process, which would start a network each.
const ON_TOR: &[&str] = &["tornet", "tor"];

/// Modules that a quick run omits.
const LONG_ON_TOR: &[&str] = &["conformance::", "outage::", "stall::"];

/// The seed of the property tests, fixed so that failures are reproducible.
///
/// Set the variable to another number to test other inputs.
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
            eprintln!("nextest cannot be installed ({why}): running cargo test instead");
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

/// Runs the tests on the private Tor network, with their arguments.
///
/// It selects tests of the whole workspace, so that features are the same as for `test` and nothing is
/// compiled twice. Tests run one after the other, because they count open descriptors and measure time.
///
/// `--quick`, as in `ci`, omits the conformance suite and the outages, which take most of the time.
///
/// On a busy machine the timers of six `tor` processes can expire, so failed tests run once more, and
/// the output names them.
pub(crate) fn on_tor(cx: &Cx, args: &[String]) -> Outcome {
    apt::tor(cx)?;
    let (quick, args): (Vec<_>, Vec<_>) = args.iter().partition(|arg| *arg == "--quick");
    let skips = LONG_ON_TOR.iter().flat_map(|skip| ["--skip", skip]);
    let skips = skips.filter(|_| !quick.is_empty());
    let (passed, output) = run_and_show(tor_tests(cx).args(args).args(skips))?;
    if passed {
        return Ok(());
    }
    let failed = failed(&output);
    if failed.is_empty() {
        return Err("the tests on the private Tor network did not run".into());
    }
    let names = failed.join(", ");
    eprintln!("failed at the first attempt, running again: {names}");
    run_command(tor_tests(cx).arg("--exact").args(&failed))?;
    eprintln!("passed at the second attempt: {names}");
    Ok(())
}

fn tor_tests(cx: &Cx) -> Command {
    let tests = ON_TOR.iter().flat_map(|test| ["--test", test]);
    let command = ["test", "--workspace", "--all-features", "--no-fail-fast"];
    let command = command.into_iter().chain(tests);
    cx.cargo(command.chain(["--", "--test-threads=1"]))
}

/// The failed tests in libtest's output.
fn failed(output: &str) -> Vec<&str> {
    fn name(line: &str) -> Option<&str> {
        line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
    }
    output.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::failed;

    #[test]
    fn failed_tests_are_found() {
        let output = "test a::b ... ok\ntest a::c ... FAILED\n\nfailures:\n    a::c\n\
                      test d has been running for over 60 seconds\ntest d ... FAILED\n\
                      test result: FAILED. 1 passed\n";
        assert_eq!(failed(output), ["a::c", "d"]);
    }
}
