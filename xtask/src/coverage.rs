//! `coverage`: the lines that tests execute.
//!
//! With a nightly toolchain, also the branches.
//! cargo-llvm-cov instruments the code, which rebuilds everything in a target folder of its own. The
//! figures leave out the lines of unit tests. They are those of the tests of the chosen crates: a test of
//! one crate covers the others too.

mod lcov;

use crate::apt;
use crate::cmd::{capture, read, run as run_command, Cx, Outcome};
use crate::tools;
use lcov::Tally;

/// The least share of executed lines of a published crate, in percent.
const LEAST: u64 = 95;

/// Crates that compile without Arti, even with all features.
const WITHOUT_ARTI: &[&str] = &[
    "transport-core",
    "transport-limits",
    "transport-metrics",
    "transport-proxy",
    "transport-tcp",
    "transport-testkit",
    "transport-tls",
    "transport-uds",
];
/// The others, except for `transport-arti`, whose tests need the private Tor network.
const ABOVE_ARTI: &[&str] = &["ron-gateway", "ron-transport", "transport-http"];
/// Their features without Arti.
const FEATURES: &[&str] = &[
    "ron-gateway/default",
    "ron-transport/dev-tls",
    "ron-transport/prometheus",
    "ron-transport/uds",
    "transport-http/axum",
    "transport-http/hyper",
    "transport-http/tonic",
    "transport-http/tower",
];

/// The tests that run, as a filter of nextest.
///
/// The first one fails, because the profile is a file that the gateway writes. The second one compares
/// memory byte by byte, for minutes in instrumented code.
const TESTS: &str = "not test(=amnesia::amnesia_writes_no_file) \
                     and not test(=amnesia::payload_wiped_from_memory_by_amnesia_only)";

/// Runs tests of the crates in `args`; prints their coverage.
///
/// `all` adds those that compile Arti, `--no-arti` leaves it out of them, `--branches` uses the nightly
/// toolchain.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let (flags, names): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with("--"));
    let allowed = ["--branches", "--no-arti"];
    if let Some(flag) = flags.iter().find(|flag| !allowed.contains(&flag.as_str())) {
        return Err(format!(
            "{flag}: only {} are allowed",
            allowed.join(" and ")
        ));
    }
    let has = |name: &str| flags.iter().any(|flag| *flag == name);
    let (branches, no_arti) = (has("--branches"), has("--no-arti"));
    let known: Vec<_> = WITHOUT_ARTI.iter().chain(ABOVE_ARTI).copied().collect();
    let crates = match names.as_slice() {
        [] if !no_arti => WITHOUT_ARTI.to_vec(),
        [] => known,
        [all] if *all == "all" => known,
        names => names.iter().map(|name| name.as_str()).collect(),
    };
    // Features are those of all crates of a build, so the crates above Arti are built apart.
    let (above, below): (Vec<_>, Vec<_>) = crates
        .iter()
        .copied()
        .partition(|krate| no_arti && ABOVE_ARTI.contains(krate));
    let mut reports = String::new();
    for (group, features) in [(below, None), (above, Some(FEATURES))] {
        if !group.is_empty() {
            reports += &measure(cx, &group, features, branches)?;
        }
    }
    let mut tallies = Vec::new();
    println!("| crate | lines | executed | branches | taken |\n|---|---|---|---|---|");
    for krate in &crates {
        let tally = Tally::of(cx, &reports, krate)?;
        println!("| {krate} {tally}");
        tallies.push((*krate, tally));
    }
    for (krate, tally) in &tallies {
        println!("\n{krate}, lines without execution:");
        for (file, lines) in &tally.missed {
            println!("  {file}: {lines}");
        }
    }
    let low = tallies.iter().filter(|(_, tally)| !tally.is_enough(LEAST));
    let low: Vec<_> = low.map(|(krate, _)| *krate).collect();
    if low.is_empty() {
        return Ok(());
    }
    Err(format!(
        "less than {LEAST} % of the lines are executed in {}",
        low.join(", ")
    ))
}

/// Runs the tests and returns the report, in the format of lcov.
fn measure(
    cx: &Cx,
    crates: &[&str],
    features: Option<&[&str]>,
    branches: bool,
) -> Result<String, String> {
    let tool = tools::LLVM_COV.find_or_install(cx)?;
    let nextest = tools::NEXTEST.find_or_install(cx)?;
    apt::for_tests(cx)?;
    let toolchain = branches.then_some("nightly");
    let llvm = llvm_tools(cx, toolchain)?;
    let step = |name: &str| {
        let mut command = cx.program(&tool, ["llvm-cov", name]);
        command.envs(llvm.iter().map(|(variable, program)| (variable, program)));
        // The counters are a mapped file that is opened at the start: the gateway's sandbox allows no
        // file at the end, and a killed process writes none.
        command.env("LLVM_PROFILE_FILE_NAME", "cov-%m%c.profraw");
        command.env("RUSTFLAGS", "-Cllvm-args=-runtime-counter-relocation");
        // Line tables of the debugger would double the size of the target folder.
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        if branches {
            command.env("RUSTUP_TOOLCHAIN", "nightly");
            command.env_remove("CARGO").env_remove("RUSTC");
        }
        command
    };
    let mut tests = step("nextest");
    tests.args(["--no-report", "--no-fail-fast", "-E", TESTS]);
    tests.args(branches.then_some("--branch"));
    match features {
        None => tests.arg("--all-features"),
        Some(features) => tests.arg("--features").arg(features.join(",")),
    };
    tests.args(crates.iter().flat_map(|krate| ["-p", krate]));
    tools::add_to_path(&mut tests, &nextest)?;
    run_command(&mut tests)?;
    // A report of its own has all crates, also those below the tested ones.
    let output = cx.scratch("coverage.lcov");
    let mut report = step("report");
    report.args(["--lcov", "--output-path"]).arg(&output);
    run_command(&mut report)?;
    read(&output)
}

/// The programs of LLVM, from Debian unless rustup has them.
fn llvm_tools(cx: &Cx, toolchain: Option<&str>) -> Result<Vec<(&'static str, String)>, String> {
    let mut rustc = cx.program("rustc", ["-vV"]);
    if let Some(toolchain) = toolchain {
        rustc.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    let about = capture(&mut rustc)?;
    let line = |key: &str| about.lines().find_map(|line| line.strip_prefix(key));
    let (Some(host), Some(version)) = (line("host: "), line("LLVM version: ")) else {
        return Err("rustc -vV names no host or no version of LLVM".into());
    };
    let sysroot = capture(rustc.args(["--print", "sysroot"]).env_remove("RUSTC"))?;
    let sysroot = sysroot.lines().last().unwrap_or_default().trim();
    let own = format!("{sysroot}/lib/rustlib/{host}/bin/llvm-cov");
    if std::path::Path::new(&own).exists() {
        return Ok(Vec::new());
    }
    let major = version.split('.').next().unwrap_or_default();
    apt::llvm(cx, major)?;
    Ok(vec![
        ("LLVM_COV", format!("/usr/bin/llvm-cov-{major}")),
        ("LLVM_PROFDATA", format!("/usr/bin/llvm-profdata-{major}")),
    ])
}
