//! `coverage`: the lines that tests execute.
//!
//! With a nightly toolchain, also the branches.
//! cargo-llvm-cov instruments the code, which rebuilds everything in a target folder of its own. The
//! figures leave out unit tests. They are those of the tests of the chosen crates alone.

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

/// Runs tests of the crates in `args`; prints their coverage.
///
/// `all` adds those that compile Arti, `--branches` uses the nightly toolchain.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let (flags, names): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with("--"));
    let branches = match flags.as_slice() {
        [] => false,
        [flag] if *flag == "--branches" => true,
        _ => return Err(format!("{flags:?}: only --branches is allowed")),
    };
    let known: Vec<_> = WITHOUT_ARTI.iter().chain(ABOVE_ARTI).copied().collect();
    let crates = match names.as_slice() {
        [] => WITHOUT_ARTI.to_vec(),
        [all] if *all == "all" => known,
        names => names.iter().map(|name| name.as_str()).collect(),
    };
    let report = measure(cx, &crates, branches)?;
    let mut low = Vec::new();
    println!("| crate | lines | executed | branches | taken |\n|---|---|---|---|---|");
    for krate in &crates {
        let tally = Tally::of(cx, &report, krate)?;
        println!("| {krate} {tally}");
        low.extend((!tally.is_enough(LEAST)).then_some((*krate, tally)));
    }
    for (krate, tally) in &low {
        eprintln!("\n{krate}, lines without execution:");
        for (file, lines) in &tally.missed {
            eprintln!("  {file}: {lines}");
        }
    }
    if low.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = low.iter().map(|(krate, _)| *krate).collect();
    Err(format!(
        "less than {LEAST} % of the lines are executed in {}",
        names.join(", ")
    ))
}

/// Runs the tests and returns the report in the format of lcov.
fn measure(cx: &Cx, crates: &[&str], branches: bool) -> Result<String, String> {
    let tool = tools::LLVM_COV.find_or_install(cx)?;
    let nextest = tools::NEXTEST.find_or_install(cx)?;
    apt::for_tests(cx)?;
    let output = cx.scratch("coverage.lcov");
    let mut command = cx.program(tool, ["llvm-cov", "nextest", "--all-features", "--lcov"]);
    command.arg("--output-path").arg(&output);
    command.args(crates.iter().flat_map(|krate| ["-p", krate]));
    tools::add_to_path(&mut command, &nextest)?;
    let toolchain = branches.then_some("nightly");
    if branches {
        command.arg("--branch").env("RUSTUP_TOOLCHAIN", "nightly");
        command.env_remove("CARGO").env_remove("RUSTC");
    }
    for (variable, program) in llvm_tools(cx, toolchain)? {
        command.env(variable, program);
    }
    run_command(&mut command)?;
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
