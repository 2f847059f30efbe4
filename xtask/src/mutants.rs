//! `mutants`: changes the code, and expects a test to fail.
//!
//! `.cargo/mutants.toml` configures cargo-mutants. `.cargo/mutants-accepted.txt` lists the survivors
//! that no test should catch, with reasons. On demand only: a mutant costs a build and a run of tests.
//! Outcomes accumulate in `target/mutants/CRATE/outcomes.txt`, so that several short runs are as good as
//! a long one.

mod outcomes;
mod score;

use std::path::Path;

use crate::cmd::{capture, read, run_and_show, write, Cx, Outcome};
use crate::tools;
use outcomes::{exactly, Outcomes, LISTS};
use score::{accepted, Score};

/// The checked-in list of survivors.
const ACCEPTED: &str = ".cargo/mutants-accepted.txt";

/// The crates, and their files that count; all without a list.
const SCOPES: &[(&str, &[&str])] = &[
    ("transport-core", &[]),
    ("transport-limits", &[]),
    ("transport-proxy", &[]),
    (
        "transport-tls",
        &[
            "crates/transport-tls/src/allowed_san.rs",
            "crates/transport-tls/src/crl.rs",
            "crates/transport-tls/src/dates.rs",
            "crates/transport-tls/src/names.rs",
            "crates/transport-tls/src/pem.rs",
            "crates/transport-tls/src/pem_diagnosis.rs",
        ],
    ),
    (
        "ron-transport",
        &[
            "crates/ron-transport/src/drain.rs",
            "crates/ron-transport/src/reload.rs",
        ],
    ),
];

/// The mutants of a run.
#[derive(Debug, PartialEq)]
enum Selection {
    /// The mutants that the arguments of cargo-mutants select.
    All,
    /// This many at random, of those that no run has tested.
    Sample(usize),
    /// Mutants that a run missed, or ended by a timeout.
    Again,
}

/// Runs the mutants of the named crates or of all.
///
/// `--sample N` draws N untested mutants of each crate, `--again` repeats those that were missed or timed
/// out. Arguments after `--` go to cargo-mutants.
///
/// # Errors
/// If a crate's score is too low.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let at = args.iter().position(|arg| arg == "--");
    let (own, rest) = args.split_at(at.unwrap_or(args.len()));
    let rest = rest.get(1..).unwrap_or_default();
    let (crates, choice) = parse(own)?;
    let accepted = accepted(&read(&cx.root.join(ACCEPTED))?)?;
    let is_chosen = |krate: &str| crates.is_empty() || crates.contains(&krate);
    let mut low = Vec::new();
    let mut table = String::from(
        "| crate | untested | caught | timed out | missed | accepted | unviable | score |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (krate, files) in SCOPES.iter().filter(|(krate, _)| is_chosen(krate)) {
        let (untested, score) = mutate(cx, (krate, files), &choice, rest, &accepted)?;
        table += &format!("| {krate} | {untested} {score}\n");
        for survivor in &score.missed {
            eprintln!("missed: {survivor}");
        }
        low.extend((!score.is_enough()).then_some(*krate));
    }
    println!("{table}");
    if low.is_empty() {
        return Ok(());
    }
    Err(format!(
        "less than 95 % of the mutants are caught in {}: add tests, or a reason to {ACCEPTED}",
        low.join(", ")
    ))
}

/// Parses the arguments before `--`.
fn parse(args: &[String]) -> Result<(Vec<&str>, Selection), String> {
    let (mut crates, mut choice) = (Vec::new(), Selection::All);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--again" => choice = Selection::Again,
            "--sample" => {
                let count = args.next().and_then(|count| count.parse().ok());
                choice = Selection::Sample(count.ok_or("--sample needs a number, such as 100")?);
            }
            name if SCOPES.iter().any(|(krate, _)| *krate == name) => crates.push(name),
            unknown => {
                let names: Vec<_> = SCOPES.iter().map(|(krate, _)| *krate).collect();
                return Err(format!(
                    "{unknown:?}: use {}, --sample N or --again",
                    names.join(", ")
                ));
            }
        }
    }
    Ok((crates, choice))
}

/// Returns the score, and the number of mutants without an outcome.
fn mutate(
    cx: &Cx,
    (krate, files): (&str, &[&str]),
    choice: &Selection,
    args: &[String],
    accepted: &[String],
) -> Result<(usize, Score), String> {
    let folder = cx.scratch("mutants").join(krate);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let tool = tools::MUTANTS.find_or_install(cx)?;
    let all = capture(scoped(cx, &tool, krate, files).arg("--list"))?;
    let all: Vec<_> = all.lines().collect();
    let record = folder.join("outcomes.txt");
    let before = read(&record).unwrap_or_default();
    let mut outcomes = Outcomes::parse(&before, &all);
    let chosen = match choice {
        Selection::All => None,
        Selection::Sample(count) => Some(outcomes.draw(&all, *count)),
        Selection::Again => Some(outcomes.doubtful()),
    };
    if chosen.as_ref().map_or(true, |chosen| !chosen.is_empty()) {
        let nextest = tools::NEXTEST.find_or_install(cx)?;
        let mut command = scoped(cx, &tool, krate, files);
        for mutant in chosen.iter().flatten() {
            command.args(["--re", &exactly(mutant)]);
        }
        command
            .args(["--no-times", "--output"])
            .arg(&folder)
            .args(args);
        tools::add_to_path(&mut command, &nextest)?;
        // Its exit status also counts accepted survivors, so the lists decide.
        let (_, output) = run_and_show(&mut command)?;
        let before = outcomes.text();
        for list in LISTS {
            let lines = read(&folder.join(format!("mutants.out/{list}.txt")))?;
            outcomes.add(list, &lines);
        }
        if outcomes.text().is_empty() {
            return Err(format!(
                "cargo-mutants tested nothing of {krate}:\n{output}"
            ));
        }
        if outcomes.text() != before {
            write(&record, &outcomes.text())?;
        }
    }
    let lists = LISTS.map(|list| outcomes.list(list));
    let score = Score::new(lists.each_ref().map(String::as_str), accepted);
    Ok((all.len() - outcomes.text().lines().count(), score))
}

/// Returns a command for the mutants of one crate.
fn scoped(cx: &Cx, tool: &Path, krate: &str, files: &[&str]) -> std::process::Command {
    let mut command = cx.program(tool, ["mutants", "--package", krate, "--colors=never"]);
    command.args(files.iter().flat_map(|file| ["--file", file]));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_crates_and_mutants() {
        let args = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        let chosen = args("transport-core --sample 9");
        let want = (vec!["transport-core"], Selection::Sample(9));
        assert_eq!(parse(&chosen).unwrap(), want);
        assert_eq!(parse(&args("--again")).unwrap(), (vec![], Selection::Again));
        assert_eq!(parse(&[]).unwrap(), (vec![], Selection::All));
        for wrong in ["--sample", "--sample x", "transport-tcp"] {
            assert!(parse(&args(wrong)).is_err(), "{wrong}");
        }
    }
}
