//! `advisories`: known vulnerabilities of the dependencies, and of built programs.
//!
//! Without a database at hand, cargo-deny fetches the one of RustSec. With `RON_ADVISORY_DB`, cargo-audit
//! reads a folder or a git repository, and uses no network. Both accept the advisories that `deny.toml`
//! lists with a reason.

mod check;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cmd::{read, run as run_command, Cx, Outcome};
use crate::{auditable, deny, tools};

/// The variable with the place of the database.
///
/// A folder with `crates`, or a git repository with one.
const DATABASE: &str = "RON_ADVISORY_DB";

/// Checks `Cargo.lock`, and the dependency lists of the programs in `args`.
///
/// `--check` tests the step itself with a database made for it: on `Cargo.lock`, and on programs.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    if let Some(("--check", programs)) = args.split_first().map(|(a, b)| (a.as_str(), b)) {
        return check::run(cx, programs);
    }
    let Some(database) = std::env::var_os(DATABASE) else {
        if args.is_empty() {
            return deny::advisories(cx);
        }
        return Err(format!(
            "{DATABASE} is not set: programs are checked against a database at hand, which is a \
             folder or a git repository"
        ));
    };
    let database = folder(cx, Path::new(&database))?;
    let auditor = Auditor::new(cx, database)?;
    run_command(&mut auditor.lock_file())?;
    for program in args {
        run_command(&mut auditor.program(Path::new(program))?)?;
    }
    Ok(())
}

/// cargo-audit with a database.
struct Auditor<'a> {
    cx: &'a Cx,
    audit: PathBuf,
    database: PathBuf,
    accepted: Vec<String>,
}

impl<'a> Auditor<'a> {
    fn new(cx: &'a Cx, database: PathBuf) -> Result<Self, String> {
        Ok(Self {
            cx,
            audit: tools::AUDIT.find_or_install(cx)?,
            database,
            accepted: accepted(&read(&cx.root.join("deny.toml"))?),
        })
    }

    /// The check of `Cargo.lock`.
    fn lock_file(&self) -> Command {
        let mut command = self.command();
        command.args(["--file", "Cargo.lock"]);
        command
    }

    /// The check of a program, which must have a dependency list.
    ///
    /// Without one, cargo-audit would guess from the texts of panics.
    fn program(&self, program: &Path) -> Result<Command, String> {
        let reader = tools::AUDIT_INFO.find_or_install(self.cx)?;
        auditable::carried(self.cx, &reader, program).map_err(|why| {
            format!(
                "{} has no dependency list, build it with cargo xtask auditable: {why}",
                program.display()
            )
        })?;
        let mut command = self.command();
        command.arg("bin").arg(program);
        Ok(command)
    }

    fn command(&self) -> Command {
        let mut command = self
            .cx
            .program(&self.audit, ["audit", "--no-fetch", "--stale"]);
        // Yanked versions are known to the registry only. Unmaintained crates fail, as with cargo-deny.
        command.args(["--no-yanked", "--deny", "warnings", "--db"]);
        command.arg(&self.database);
        for id in &self.accepted {
            command.args(["--ignore", id]);
        }
        command
    }
}

/// Returns the folder of the database; a repository is cloned to `target/advisory-db`.
fn folder(cx: &Cx, database: &Path) -> Result<PathBuf, String> {
    if database.join("crates").is_dir() {
        return Ok(database.to_owned());
    }
    let clone = cx.scratch("advisory-db");
    if clone.exists() {
        std::fs::remove_dir_all(&clone).map_err(|e| format!("{}: {e}", clone.display()))?;
    }
    let mut git = cx.program("git", ["clone", "--quiet", "--depth", "1"]);
    run_command(git.arg(database).arg(&clone))?;
    if clone.join("crates").is_dir() {
        return Ok(clone);
    }
    Err(format!(
        "{DATABASE}={}: an advisory database has a folder `crates`",
        database.display()
    ))
}

/// The advisories that `deny.toml` accepts.
fn accepted(deny: &str) -> Vec<String> {
    let section = deny.split("[advisories]").nth(1).unwrap_or_default();
    let lines = section
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ id = \""));
    let ids = lines.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    ids.collect()
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn accepted_advisories_are_of_their_section() {
        let deny = "[licenses]\nx = [\n    { id = \"no\" },\n]\n[advisories]\nignore = [\n    \
                    # { id = \"RUSTSEC-1\" },\n    { id = \"RUSTSEC-2\", reason = \"a\" },\n]\n";
        assert_eq!(accepted(deny), ["RUSTSEC-2"]);
        assert_eq!(accepted("[bans]\n"), [""; 0]);
    }
}
