//! Runs seeds of the simulation, each in a process of its own.
//!
//! A process holds numbers of connections and random orders of maps that later runs would see.
//! `ron-sim one SEED [CUT…]` is such a process.

mod args;
mod batch;

use std::process::ExitCode;

use ron_sim::script::{Cut, Script};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((first, rest)) if first == "one" => one(rest),
        _ => args::Args::parse(&args).and_then(|args| batch::run(&args)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ron-sim: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs one seed and prints its hash, or the broken rules.
fn one(args: &[String]) -> Result<bool, String> {
    let (seed, cuts) = args.split_first().ok_or("one SEED [CUT…]")?;
    let seed = args::seed(seed)?;
    let cuts: Vec<Cut> = cuts
        .iter()
        .map(|cut| cut.parse())
        .collect::<Result<_, _>>()?;
    let script = Script::generate(seed).without(&cuts);
    ron_sim::quiet();
    let report = ron_sim::run(&script);
    println!("{:016x} {}", report.hash, report.events);
    for broken in &report.violations {
        println!("{} at {} ms: {}", broken.oracle, broken.at_ms, broken.what);
    }
    Ok(report.violations.is_empty())
}
