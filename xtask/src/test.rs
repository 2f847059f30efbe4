//! `test`: every test of the workspace with every feature, but those on the private Tor network;
//! `test-tor`: these.

use std::process::Command;

use crate::apt;
use crate::cmd::{run as run_command, run_and_show, Cx, Outcome};
use crate::tools;

/// What needs the private network. Nextest gives each test a process of its own, and with that a
/// network of its own; these share one.
const ON_TOR: &[&str] = &["tornet", "tor"];

/// What of it a quick run leaves out.
const LONG_ON_TOR: &[&str] = &["conformance::", "outage::", "stall::"];

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
/// nothing is compiled with other features than for the other tests. One after the other: they count
/// what the process has open, and look at clocks.
///
/// With `--quick`, as `ci` has it, without the conformance suite and the outages, which take most of
/// the time and look most at the clock.
///
/// Half a dozen `tor` processes have clocks of their own, and a machine that is busy upsets them: what
/// failed is run once more, and said to have been.
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
        return Err("the tests on the private network could not be run".into());
    }
    let names = failed.join(", ");
    eprintln!("failed at the first attempt, and run once more: {names}");
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

/// The tests that failed, by what libtest printed.
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
    fn what_failed_is_found() {
        let output = "test a::b ... ok\ntest a::c ... FAILED\n\nfailures:\n    a::c\n\
                      test d has been running for over 60 seconds\ntest d ... FAILED\n\
                      test result: FAILED. 1 passed\n";
        assert_eq!(failed(output), ["a::c", "d"]);
    }
}
