//! `mutants`: changes the code, and expects a test to fail.
//!
//! `.cargo/mutants.toml` configures cargo-mutants. `.cargo/mutants-accepted.txt` lists the survivors
//! that no test should catch, with reasons. On demand only: a mutant costs a build and a run of tests.

mod score;

use crate::cmd::{read, run_and_show, Cx, Outcome};
use crate::tools;
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

/// Runs the mutants of the named crates or of all.
///
/// Arguments after `--` go to cargo-mutants.
///
/// # Errors
/// If a crate's score is too low.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let at = args.iter().position(|arg| arg == "--");
    let (crates, rest) = args.split_at(at.unwrap_or(args.len()));
    let rest = rest.get(1..).unwrap_or_default();
    let known = |name: &String| SCOPES.iter().any(|(krate, _)| krate == name);
    if let Some(unknown) = crates.iter().find(|name| !known(name)) {
        let names: Vec<_> = SCOPES.iter().map(|(krate, _)| *krate).collect();
        return Err(format!("{unknown:?}: use {}", names.join(", ")));
    }
    let accepted = accepted(&read(&cx.root.join(ACCEPTED))?)?;
    let is_chosen = |krate: &str| crates.is_empty() || crates.iter().any(|name| name == krate);
    let mut low = Vec::new();
    let mut table = String::from(
        "| crate | caught | timed out | missed | accepted | unviable | score |\n|---|---|---|---|---|---|---|\n",
    );
    for (krate, files) in SCOPES.iter().filter(|(krate, _)| is_chosen(krate)) {
        let score = mutate(cx, krate, files, rest, &accepted)?;
        table += &format!("| {krate} {score}\n");
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

fn mutate(
    cx: &Cx,
    krate: &str,
    files: &[&str],
    args: &[String],
    accepted: &[String],
) -> Result<Score, String> {
    let folder = cx.scratch("mutants").join(krate);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let tool = tools::MUTANTS.find_or_install(cx)?;
    let nextest = tools::NEXTEST.find_or_install(cx)?;
    let mut command = cx.program(
        tool,
        [
            "mutants",
            "--package",
            krate,
            "--no-times",
            "--colors=never",
        ],
    );
    command.args(files.iter().flat_map(|file| ["--file", file]));
    command.arg("--output").arg(&folder).args(args);
    tools::add_to_path(&mut command, &nextest)?;
    // Its exit status also counts accepted survivors, so the lists decide.
    let (_, output) = run_and_show(&mut command)?;
    let folder = folder.join("mutants.out");
    let list = |name: &str| read(&folder.join(format!("{name}.txt")));
    let score = Score::new(
        [
            &list("caught")?,
            &list("timeout")?,
            &list("missed")?,
            &list("unviable")?,
        ],
        accepted,
    );
    if score.is_empty() {
        return Err(format!(
            "cargo-mutants tested nothing of {krate}:\n{output}"
        ));
    }
    Ok(score)
}
