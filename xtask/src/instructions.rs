//! `instructions`: compares the instructions of fixed loads with ratchets.
//!
//! Unlike time, the counts do not depend on the machine's load. valgrind emulates the processor, with
//! at most AVX2, so that cryptography and copies take the same path on every x86-64 machine that has
//! AVX2. On other machines the step checks nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::apt;
use crate::cmd::{read, run as run_command, write, Cx, Outcome};

/// The checked-in counts.
///
/// A line has a load and its instructions per operation.
const RATCHETS: &str = "benches/instructions/ratchets.txt";
/// Growth that fails the step, in percent.
const SLACK_PERCENT: f64 = 3.0;
const PROGRAM: &str = "ron-bench-instructions";
/// The function whose instructions count.
const MEASURED: &str = "*poll_measured*";

/// The loads, their operations, and the unit.
const LOADS: &[(&str, u32, &str)] = &[
    ("tls-full", 200, "TLS 1.3 full handshake, server side"),
    ("tls-resumed", 200, "TLS 1.3 resumed handshake, server side"),
    ("tls-full-pq", 100, "the same, full, with X25519MLKEM768"),
    (
        "tls-resumed-pq",
        100,
        "the same, resumed, with X25519MLKEM768",
    ),
    ("tcp-accept", 200, "TCP connection through the guard"),
    ("relay-64b", 500, "64 B message and its echo, over TCP"),
    (
        "tls-ping",
        500,
        "64 B message and its echo, over TLS to TCP",
    ),
    ("relay-1mib", 32, "1 MiB in blocks of 64 KiB, over TCP"),
];

/// Counts and compares; `--write` replaces the file instead.
///
/// With `--optional`, as in `ci`, a missing valgrind is reported and is no error.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let flag = match args {
        [] => "",
        [flag] if flag == "--write" || flag == "--optional" => flag,
        _ => return Err(format!("unknown arguments {args:?}: --write or --optional")),
    };
    if let Err(why) = is_comparable() {
        eprintln!("NOT CHECKED: {why}");
        return Ok(());
    }
    match apt::valgrind(cx) {
        Err(why) if flag == "--optional" => {
            eprintln!("NOT CHECKED: the instruction counts need valgrind ({why})");
            return Ok(());
        }
        installed => installed?,
    }
    run_command(&mut cx.cargo(["build", "-q", "--profile", "instructions", "-p", PROGRAM]))?;
    let program = cx.target().join("instructions").join(PROGRAM);
    let mut counts = Vec::new();
    for &(load, operations, _) in LOADS {
        let total = count(cx, &program, load, operations)?;
        counts.push((load, total / u64::from(operations)));
    }
    let path = cx.root.join(RATCHETS);
    if flag == "--write" {
        return write(&path, &format_ratchets(&counts));
    }
    let (table, grown) = compare(&parse_ratchets(&read(&path)?)?, &counts);
    print!("{table}");
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more than {SLACK_PERCENT} % more instructions in {}: make it cheaper, or state the reason in the \
         commit and run `cargo xtask instructions --write`",
        grown.join(", ")
    ))
}

/// Returns why counts of this machine differ from the checked-in ones.
fn is_comparable() -> Result<(), String> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err("instructions are counted on x86-64 Linux only".into());
    }
    let cpus = read(Path::new("/proc/cpuinfo"))?;
    if cpus.split_whitespace().any(|flag| flag == "avx2") {
        Ok(())
    } else {
        Err("this processor has no AVX2, so cryptography takes another path".into())
    }
}

/// Returns the instructions of one run.
fn count(cx: &Cx, program: &Path, load: &str, operations: u32) -> Result<u64, String> {
    let dir = cx.scratch("instructions");
    std::fs::create_dir_all(&dir).map_err(|e| format!("creating {}: {e}", dir.display()))?;
    let out: PathBuf = dir.join(format!("{load}.callgrind"));
    let mut command = cx.program(
        "valgrind",
        ["-q", "--tool=callgrind", "--collect-atstart=no"],
    );
    command
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args([load, &operations.to_string()])
        // A fixed choice of algorithms, whatever the caller's environment sets.
        .env_remove("OPENSSL_ia32cap")
        .env_remove("GLIBC_TUNABLES");
    run_command(&mut command)?;
    total(&read(&out)?).ok_or_else(|| format!("{} has no count of {MEASURED}", out.display()))
}

/// Returns the sum in a file of callgrind.
///
/// `None` if nothing was counted.
fn total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("summary:"))?;
    let total = line.split_whitespace().next()?.parse().ok()?;
    (total > 0).then_some(total)
}

fn format_ratchets(counts: &[(&str, u64)]) -> String {
    let mut text = String::from(
        "# Instructions per operation; `cargo xtask instructions --write` writes this file.\n",
    );
    for (load, count) in counts {
        let _ = writeln!(text, "{load} {count}");
    }
    text
}

fn parse_ratchets(text: &str) -> Result<Vec<(String, u64)>, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (load, count) = line.split_once(' ').unwrap_or((line, ""));
            let count = count.parse();
            count
                .map(|count| (load.to_owned(), count))
                .map_err(|_| format!("{RATCHETS}: {line:?} is not a load and a number"))
        })
        .collect()
}

/// Returns a table, and the loads that fail.
///
/// They grew by more than the slack, or have no ratchet.
fn compare(ratchets: &[(String, u64)], counts: &[(&str, u64)]) -> (String, Vec<String>) {
    let (mut table, mut grown) = (String::new(), Vec::new());
    for &(load, now) in counts {
        let before = ratchets.iter().find(|(name, _)| name == load);
        let unit = LOADS.iter().find(|(name, ..)| *name == load);
        let unit = unit.map_or("", |&(.., unit)| unit);
        let Some(&(_, before)) = before else {
            let _ = writeln!(table, "{load:<15}{now:>9}  no ratchet   {unit}");
            grown.push(load.to_owned());
            continue;
        };
        let percent = percent_of(now, before) - 100.0;
        let _ = writeln!(table, "{load:<15}{now:>9}  {percent:>+6.1} %     {unit}");
        if percent > SLACK_PERCENT {
            grown.push(load.to_owned());
        } else if percent < -SLACK_PERCENT {
            table += "               fewer than before: lower the ratchet with --write\n";
        }
    }
    (table, grown)
}

#[allow(clippy::cast_precision_loss)] // Counts are far below 2^53.
fn percent_of(now: u64, before: u64) -> f64 {
    100.0 * now as f64 / before.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_over_slack_and_missing_ratchet_fail() {
        let ratchets = parse_ratchets("# text\ntls-full 1000\ntcp-accept 1000\n").unwrap();
        let grown = |count| compare(&ratchets, &[("tls-full", count)]).1;
        assert!(grown(1030).is_empty());
        assert_eq!(grown(1031), ["tls-full"]);
        assert!(grown(500).is_empty());
        let (table, grown) = compare(&ratchets, &[("relay-64b", 1)]);
        assert_eq!(grown, ["relay-64b"]);
        assert!(table.contains("no ratchet"), "{table}");
        let (table, _) = compare(&ratchets, &[("tcp-accept", 900)]);
        assert!(table.contains("lower the ratchet"), "{table}");
    }

    #[test]
    fn written_file_is_read_again() {
        let text = format_ratchets(&[("tls-full", 7)]);
        assert_eq!(parse_ratchets(&text).unwrap(), [("tls-full".to_owned(), 7)]);
        assert!(parse_ratchets("tls-full\n")
            .unwrap_err()
            .contains("tls-full"));
    }

    #[test]
    fn summary_without_count_is_none() {
        assert_eq!(total("events: Ir\nsummary: 42\n"), Some(42));
        assert_eq!(total("events: Ir\nsummary: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }
}
