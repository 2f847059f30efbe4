//! `msrv`: evidence, not proof, that the published crates keep their promised Rust version.
//!
//! A scratch package that promises the same version uses every published crate with every
//! feature but Arti's. The lockfile that cargo makes for it is what a user of that version gets;
//! no package of it that is compiled may ask for more. What the code itself uses is looked after
//! by clippy (`incompatible_msrv`) and by `tidy` (newer syntax).

mod scratch;
mod walk;

use crate::cmd::{capture, no_args, run as run_command, write, Cx, Outcome};
use crate::graph::ARTI;
use crate::meta::{self, Krate};

/// The version that every published crate but `transport-arti` promises.
const MSRV: &str = "1.80";

/// Makes the scratch package and reads what its dependencies ask for.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    let crates = meta::load(cx)?;
    let silent = without_promise(&crates);
    if !silent.is_empty() {
        return Err(format!(
            "no `rust-version = \"{MSRV}\"`: {}",
            silent.join(", ")
        ));
    }
    let dir = cx.scratch("msrv");
    for (path, text) in scratch::files(&crates, &cx.root, MSRV) {
        write(&dir.join(path), &text)?;
    }
    // An older lockfile would hide what a fresh user gets.
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
        return Err(format!("newer than {MSRV}:\n  {}", newer.join("\n  ")));
    }
    let silent = found
        .iter()
        .filter(|package| package.rust_version.is_none())
        .count();
    eprintln!(
        "msrv: {} normal and build dependencies, none asks for more than {MSRV} ({silent} of them \
         say nothing); this is evidence, not proof",
        found.len()
    );
    Ok(())
}

/// The published crates that promise another version, or none.
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
    fn a_published_crate_that_promises_something_else_is_found() {
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
