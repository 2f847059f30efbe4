//! `msrv`: evidence that the dependencies keep the minimum supported Rust version (MSRV).
//!
//! A scratch package with this version uses every published crate with every feature but Arti's. Cargo
//! resolves it as for a user of that version; no compiled package may require a newer one. The crates'
//! own code is checked by clippy (`incompatible_msrv`) and by `tidy` (newer syntax).

mod scratch;
mod walk;

use crate::cmd::{capture, no_args, run as run_command, write, Cx, Outcome};
use crate::graph::ARTI;
use crate::meta::{self, Krate};

/// The version of every published crate but `transport-arti`.
const MSRV: &str = "1.80";

/// Resolves the scratch package and checks the versions of its dependencies.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    let crates = meta::load(cx)?;
    let silent = without_promise(&crates);
    if !silent.is_empty() {
        return Err(format!(
            "crates without `rust-version = \"{MSRV}\"`: {}",
            silent.join(", ")
        ));
    }
    let dir = cx.scratch("msrv");
    for (path, text) in scratch::files(&crates, &cx.root, MSRV) {
        write(&dir.join(path), &text)?;
    }
    // An old lockfile would hide the versions that a new user gets.
    let _ = std::fs::remove_file(dir.join("Cargo.lock"));
    run_command(cx.cargo(["generate-lockfile", "--quiet"]).current_dir(&dir))?;
    let metadata = capture(
        cx.cargo([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
        ])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(&dir),
    )?;
    let found = walk::packages(&meta::parse(&metadata)?, scratch::NAME)?;
    let newer = walk::newer_than(&found, MSRV)?;
    if !newer.is_empty() {
        return Err(format!(
            "dependencies that require a newer Rust than {MSRV}:\n  {}",
            newer.join("\n  ")
        ));
    }
    let silent = found
        .iter()
        .filter(|package| package.rust_version.is_none())
        .count();
    eprintln!(
        "msrv: {} normal and build dependencies, none requires more than {MSRV} ({silent} have no \
         rust-version); this is evidence, not proof",
        found.len()
    );
    Ok(())
}

/// Published crates with another version, or none.
fn without_promise(crates: &[Krate]) -> Vec<&str> {
    let bound = crates
        .iter()
        .filter(|krate| krate.published && krate.name != ARTI);
    let silent = bound.filter(|krate| krate.rust_version.as_deref() != Some(MSRV));
    silent.map(|krate| krate.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_with_other_version_is_found() {
        let krate = |name: &str, published, promise: Option<&str>| Krate {
            name: name.into(),
            published,
            rust_version: promise.map(str::to_owned),
            ..Krate::default()
        };
        let crates = [
            krate("good", true, Some(MSRV)),
            krate("newer", true, Some("1.85")),
            krate("silent", true, None),
            krate("private", false, None),
            krate(ARTI, true, Some("1.90")),
        ];
        assert_eq!(without_promise(&crates), ["newer", "silent"]);
    }
}
