//! `readme`: compiles each program in README.md as printed.
//!
//! Each program becomes a package in `target/readme` with the dependencies printed above it. Crates of
//! the workspace come from their folders, all others in the versions of `Cargo.lock`.

mod extract;

use std::fmt::Write as _;

use crate::cmd::{no_args, read, run as run_command, write, Cx, Outcome};
use crate::meta::{self, Krate};
use extract::{programs, Program};

/// Extracts the programs and compiles each one.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    let programs = programs(&read(&cx.root.join("README.md"))?)?;
    if programs.is_empty() {
        return Err("README.md has no program: add a ```rust block".to_owned());
    }
    let patches = patches(&meta::load(cx)?);
    let lock = read(&cx.root.join("Cargo.lock"))?;
    for (at, program) in programs.iter().enumerate() {
        let dir = cx.scratch("readme").join(format!("program-{}", at + 1));
        write(
            &dir.join("Cargo.toml"),
            &manifest(program, at + 1, &patches),
        )?;
        write(&dir.join("Cargo.lock"), &lock)?;
        write(&dir.join("src/main.rs"), &program.source)?;
        run_command(
            cx.cargo(["check", "--offline", "--target-dir"])
                .arg(cx.target())
                .current_dir(&dir),
        )
        .map_err(|why| format!("README.md line {}: {why}", program.line))?;
    }
    Ok(())
}

fn manifest(program: &Program, number: usize, patches: &str) -> String {
    format!(
        "# Written by `cargo xtask readme`.\n[package]\nname = \"readme-{number}\"\n\
         version = \"0.0.0\"\nedition = \"2021\"\npublish = false\n\n[workspace]\n\n{}\n{patches}",
        program.dependencies
    )
}

/// Replaces the published crates by those of the workspace.
fn patches(crates: &[Krate]) -> String {
    let mut text = "[patch.crates-io]\n".to_owned();
    let published = |krate: &&Krate| krate.published && krate.library;
    for krate in crates.iter().filter(published) {
        let _ = writeln!(text, "{} = {{ path = {:?} }}", krate.name, krate.dir);
    }
    text
}
