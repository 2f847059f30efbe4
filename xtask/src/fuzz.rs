//! `fuzz`: runs the targets of `testing/fuzz` under libFuzzer.
//!
//! The flags that instrument the code are stable ones of rustc, so the pinned toolchain serves; without
//! `unsafe` code, the address sanitizer of a nightly toolchain would find nothing more. They rebuild
//! everything, so the step has a target folder of its own. libFuzzer needs a C++ compiler.

mod options;
mod report;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::apt;
use crate::cmd::{capture, run as run_command, Cx, Outcome};
use options::Options;
use report::Report;

/// Flags of rustc that count edges and trace comparisons.
///
/// cargo-fuzz sets the same ones.
const RUSTFLAGS: &str =
    "--cfg ron_fuzz -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks";
/// The variable that tells the program its target.
const VARIABLE: &str = "RON_FUZZ_TARGET";
/// Targets that run at the same time.
const PARALLEL: usize = 2;

/// Runs targets, two at a time, and prints a table.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let known = targets(cx)?;
    let options = Options::parse(args, &known)?;
    match apt::cpp(cx) {
        Err(why) if options.optional => {
            eprintln!("fuzz: SKIPPED, libFuzzer needs a C++ compiler: {why}");
            return Ok(());
        }
        other => other?,
    }
    let program = build(cx)?;
    let mut reports = Vec::new();
    for names in options.targets.chunks(PARALLEL) {
        let started = names.iter().map(|name| start(cx, &program, name, &options));
        let started: Vec<_> = started.collect::<Result<_, _>>()?;
        for (name, mut child) in names.iter().zip(started) {
            let status = child
                .wait()
                .map_err(|e| format!("waiting for the target {name}: {e}"))?;
            let log = log(cx, name);
            let text = std::fs::read(&log).map_err(|e| format!("{}: {e}", log.display()))?;
            let text = String::from_utf8_lossy(&text).into_owned();
            if !status.success() {
                eprintln!(
                    "{}\nall of it is in {}",
                    report::finding(&text),
                    log.display()
                );
                println!("{}", report::table(&reports));
                return Err(format!(
                    "the target {name} failed: fix the cause, and keep the input named above in \
                     testing/fuzz/regressions/{name}"
                ));
            }
            reports.push(Report::parse(name, &text));
        }
    }
    println!("{}", report::table(&reports));
    if options.keep {
        for name in &options.targets {
            keep(cx, &program, name)?;
        }
    }
    report::check(&reports)
}

/// The names of the targets: the folders of the corpus.
fn targets(cx: &Cx) -> Result<Vec<String>, String> {
    let corpus = cx.root.join("testing/fuzz/corpus");
    let entries = std::fs::read_dir(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
    let mut names: Vec<_> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Builds the instrumented program and returns its path.
fn build(cx: &Cx) -> Result<PathBuf, String> {
    // With `--target`, the flags do not apply to build scripts and macros.
    let platform = host(cx)?;
    let target = cx.target().join("fuzz");
    let mut command = cx.cargo(["build", "--locked", "--release", "-p", "ron-fuzz"]);
    command
        .args(["--bin", "ron-fuzz", "--target", &platform])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", RUSTFLAGS)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    run_command(&mut command)?;
    Ok(target.join(platform).join("release/ron-fuzz"))
}

fn host(cx: &Cx) -> Result<String, String> {
    let about = capture(&mut cx.program("rustc", ["-vV"]))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc -vV names no host".into())
}

/// The folder of the inputs that runs on this machine have found.
fn found(cx: &Cx, name: &str) -> PathBuf {
    cx.scratch("fuzz-corpus").join(name)
}

/// The output of a target; a pipe would block it once full.
fn log(cx: &Cx, name: &str) -> PathBuf {
    cx.scratch("fuzz-artifacts").join(format!("{name}.log"))
}

fn start(
    cx: &Cx,
    program: &Path,
    name: &str,
    options: &Options,
) -> Result<std::process::Child, String> {
    let artifacts = cx.scratch("fuzz-artifacts").join(name);
    let mut folders = vec![found(cx, name)];
    for folder in [&folders[0], &artifacts] {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    for kind in ["corpus", "regressions"] {
        let folder = cx.root.join("testing/fuzz").join(kind).join(name);
        folders.extend(folder.is_dir().then_some(folder));
    }
    let log = log(cx, name);
    let mut command = command(cx, program, name);
    command
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={}", options.seconds))
        .args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=1024"])
        .args(folders)
        .stdout(Stdio::null())
        .stderr(File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?);
    eprintln!("fuzz: {name}, {} s", options.seconds);
    command
        .spawn()
        .map_err(|e| format!("{} could not be started: {e}", program.display()))
}

fn command(cx: &Cx, program: &Path, name: &str) -> Command {
    let mut command = cx.program(program, ["-max_len=4096"]);
    command.env(VARIABLE, name);
    command
}

/// Adds inputs of new coverage to the corpus in the repository.
fn keep(cx: &Cx, program: &Path, name: &str) -> Outcome {
    let corpus = cx.root.join("testing/fuzz/corpus").join(name);
    let mut command = command(cx, program, name);
    command.arg("-set_cover_merge=1").arg(corpus);
    run_command(command.arg(found(cx, name)).stderr(Stdio::null()))
}
