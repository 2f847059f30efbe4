//! Many seeds, on all cores.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ron_sim::script::{Cut, Script};

use crate::args::Args;

/// A seed that failed, and the output of its process.
struct FailedSeed {
    seed: u64,
    output: String,
}

/// Runs the seeds; returns whether all of them passed.
pub(crate) fn run(args: &Args) -> Result<bool, String> {
    let next = AtomicU64::new(0);
    let (events, ran) = (AtomicU64::new(0), AtomicU64::new(0));
    let failed = Mutex::new(Vec::<FailedSeed>::new());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let worker = || loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= args.seeds {
                return;
            }
            let seed = args.first.wrapping_add(nth);
            let mut output = one(seed, &[]);
            if nth < args.twice && output.is_ok() {
                let again = one(seed, &[]);
                if again != output {
                    output = Err(format!("trace: {output:?}, then {again:?}"));
                }
            }
            ran.fetch_add(1, Ordering::Relaxed);
            match output {
                Ok(line) => {
                    let count = line.split_whitespace().nth(1);
                    let count = count.and_then(|count| count.parse().ok());
                    events.fetch_add(count.unwrap_or(0), Ordering::Relaxed);
                    if args.seeds <= 10 {
                        println!("seed {seed}: trace {line}");
                    }
                }
                Err(output) => {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("seed {seed} failed:\n{output}");
                    failed.push(FailedSeed { seed, output });
                    if failed.len() >= args.failures {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                    }
                }
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            let _ = worker.join();
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|one| one.seed);
    println!(
        "{} of {} seeds from {} ran, {} events, {} failed",
        ran.into_inner(),
        args.seeds,
        args.first,
        events.into_inner(),
        failed.len()
    );
    if let (Some(first), true) = (failed.first(), args.shrink) {
        shrink(first);
    }
    Ok(failed.is_empty())
}

/// Runs one seed in a process; returns its trace.
///
/// The error is the output of a failed run.
fn one(seed: u64, cuts: &[Cut]) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("one").arg(seed.to_string());
    command.args(cuts.iter().map(Cut::to_string));
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text.trim().to_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(text + &errors)
}

/// Returns the oracle of a failed run.
fn oracle(output: &str) -> Option<&str> {
    let line = output.lines().nth(1)?;
    Some(line.split_once(" at ").map_or(line, |(oracle, _)| oracle))
}

/// Cuts a failing script, and prints it as a test.
fn shrink(failed: &FailedSeed) {
    let Some(oracle_of) = oracle(&failed.output) else {
        return;
    };
    let script = Script::generate(failed.seed);
    let mut runs = 0;
    let cuts = ron_sim::shrink(&script, |cuts| {
        runs += 1;
        one(failed.seed, cuts).is_err_and(|output| oracle(&output) == Some(oracle_of))
    });
    let small = script.without(&cuts);
    println!(
        "seed {}, cut to {} of {} peers and {} of {} actions in {runs} runs:\n",
        failed.seed,
        small.peers.len(),
        script.peers.len(),
        small.ops.len(),
        script.ops.len(),
    );
    let list: Vec<String> = cuts.iter().map(Cut::to_string).collect();
    println!("ron-sim one {} {}\n", failed.seed, list.join(" "));
    println!("{}", small.to_test(&format!("seed_{}", failed.seed)));
    if let Err(output) = one(failed.seed, &cuts) {
        println!("{output}");
    }
}
