//! `ci`: runs every check, cheap ones first, until one fails.

use std::time::{Duration, Instant};

use crate::cmd::{no_args, Cx, Outcome};
use crate::steps;

/// One line of help.
pub(crate) const HELP: &str =
    "every check below down to test-tor, cheap ones first; stops at the first failure";

/// The steps of `ci` in their order, with their arguments.
const ORDER: &[(&str, &[&str])] = &[
    ("fmt", &[]),
    ("tidy", &[]),
    ("graph", &[]),
    ("msrv", &[]),
    ("deny", &[]),
    ("advisories", &["--check"]),
    ("clippy", &[]),
    ("alone", &[]),
    ("docs-gen", &["--check"]),
    ("readme", &[]),
    ("alerts", &[]),
    ("test", &[]),
    ("peers", &["tls", "--quick"]),
    ("drills", &[]),
    ("doctest", &[]),
    ("doc", &[]),
    ("package", &[]),
    ("api", &["--optional"]),
    ("loom", &[]),
    ("instructions", &["--optional"]),
    ("sim", &["--seeds", "500"]),
    ("fuzz", &["all", "--seconds", "20", "--optional"]),
    ("test-tor", &["--quick"]),
];

/// Runs all steps and prints how long each took.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (at, (name, args)) in ORDER.iter().enumerate() {
        eprintln!("\n== {name} ({} of {})", at + 1, ORDER.len());
        let step =
            steps::find(name).ok_or_else(|| format!("unknown step {name:?} in the order of ci"))?;
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let started = now();
        let outcome = (step.run)(cx, &args);
        times.push((name, started.elapsed()));
        if let Err(why) = outcome {
            eprint!("{}", summary(&times, Some(name)));
            return Err(format!(
                "step `{name}` failed: {why}\nrun it alone: cargo xtask {name}"
            ));
        }
    }
    eprint!("{}", summary(&times, None));
    Ok(())
}

fn summary(times: &[(&str, Duration)], failed: Option<&str>) -> String {
    let mut text = String::from("\n");
    let mut total = Duration::ZERO;
    for &(name, time) in times {
        let mark = if failed == Some(name) { "FAILED" } else { "ok" };
        text += &format!("{name:<12}{:>9.1} s  {mark}\n", time.as_secs_f64());
        total += time;
    }
    let left = ORDER.len() - times.len();
    text += &format!("{:<12}{:>9.1} s", "total", total.as_secs_f64());
    if left > 0 {
        text += &format!("  ({left} steps not run)");
    }
    text + "\n"
}

// The lint is for async code, whose tests pause the clock; nothing here is async.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_order_exist() {
        for (name, _) in ORDER {
            assert!(steps::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn summary_marks_failure_and_counts_rest() {
        let times = [
            ("fmt", Duration::from_secs(1)),
            ("tidy", Duration::from_secs(2)),
        ];
        let text = summary(&times, Some("tidy"));
        assert!(text.contains("tidy              2.0 s  FAILED"), "{text}");
        let left = format!("3.0 s  ({} steps not run)", ORDER.len() - 2);
        assert!(text.contains(&left), "{text}");
    }
}
