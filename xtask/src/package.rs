//! `package`: builds every published crate from its own tarball.
//!
//! The tarballs are unpacked into a workspace of their own, where each depends on the others as
//! unpacked. A file outside of the package, a path dependency or a missing version fails there.

mod tarball;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cmd::{no_args, read, run as run_command, write, Cx, Outcome};
use crate::meta::{self, Krate};

/// Makes the packages, checks their files, and builds them with all features.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    let all = meta::load(cx)?;
    let published: Vec<&Krate> = all.iter().filter(|krate| krate.published).collect();
    pack(cx, &published)?;
    let dir = cx.scratch("unpacked");
    let folders = unpack(cx, &dir)?;
    let mut wrong = missing(&published, &folders);
    for folder in &folders {
        wrong.extend(tarball::problems(&dir.join(folder))?);
    }
    if !wrong.is_empty() {
        return Err(format!(
            "{} findings:\n  {}",
            wrong.len(),
            wrong.join("\n  ")
        ));
    }
    write(
        &dir.join("Cargo.toml"),
        &workspace(&read(&cx.root.join("Cargo.toml"))?, &folders),
    )?;
    let lock = "Cargo.lock";
    write(&dir.join(lock), &read(&cx.root.join(lock))?)?;
    let mut build = cx.cargo(["build", "--offline", "--workspace", "--all-features"]);
    run_command(build.current_dir(&dir).env("CARGO_TARGET_DIR", cx.target()))?;
    eprintln!(
        "package: {} packages build from their tarballs",
        folders.len()
    );
    Ok(())
}

/// Packs the crates together, because each needs the others' new versions.
fn pack(cx: &Cx, published: &[&Krate]) -> Outcome {
    // The index of every dependency must be at hand before the offline steps.
    run_command(
        cx.cargo(["fetch", "--locked", "--quiet"])
            .args(["--target", PLATFORM]),
    )?;
    for old in tarballs(cx)? {
        std::fs::remove_file(&old).map_err(|e| format!("removing {}: {e}", old.display()))?;
    }
    let mut command = cx.cargo([
        "package",
        "--offline",
        "--no-verify",
        "--quiet",
        "--allow-dirty",
    ]);
    command.args(published.iter().flat_map(|krate| ["-p", &krate.name]));
    run_command(&mut command)
}

/// The platform whose dependencies are fetched.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The packages that cargo wrote, sorted.
fn tarballs(cx: &Cx) -> Result<Vec<PathBuf>, String> {
    let dir = cx.target().join("package");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = entries(&dir)?;
    found.retain(|path| path.extension().is_some_and(|end| end == "crate"));
    Ok(found)
}

/// Unpacks all tarballs into an empty folder; returns the folders' names.
fn unpack(cx: &Cx, dir: &Path) -> Result<Vec<String>, String> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).map_err(|e| format!("removing {}: {e}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).map_err(|e| format!("creating {}: {e}", dir.display()))?;
    for tarball in tarballs(cx)? {
        run_command(cx.program("tar", ["-xzf"]).arg(tarball).arg("-C").arg(dir))?;
    }
    let names = entries(dir)?.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        Some(name.to_owned())
    });
    Ok(names.collect())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", dir.display());
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut found = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    found.sort_unstable();
    Ok(found)
}

/// Published crates without a package.
fn missing(published: &[&Krate], folders: &[String]) -> Vec<String> {
    let is_packed = |name: &str| folders.iter().any(|folder| name == name_of(folder));
    let names = published.iter().map(|krate| krate.name.as_str());
    let missing = names.filter(|name| !is_packed(name));
    missing.map(|name| format!("{name}: no package")).collect()
}

/// The name of the package in a folder `NAME-VERSION`.
fn name_of(folder: &str) -> &str {
    let version = folder
        .match_indices('-')
        .find(|(at, _)| folder[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    version.map_or(folder, |(at, _)| &folder[..at])
}

/// The manifest of a workspace of the unpacked packages.
///
/// It copies the profiles; with others, cargo would compile every dependency again.
fn workspace(ours: &str, folders: &[String]) -> String {
    let mut text = format!(
        "# Written by `cargo xtask package`.\n[workspace]\nresolver = \"2\"\n\
         members = {folders:?}\n\n[patch.crates-io]\n"
    );
    for folder in folders {
        let _ = writeln!(text, "{} = {{ path = \"{folder}\" }}", name_of(folder));
    }
    let mut copied = false;
    for line in ours.lines() {
        if line.starts_with('[') {
            copied = line.starts_with("[profile.");
        }
        if copied {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_name_ends_before_version() {
        assert_eq!(name_of("transport-core-0.1.0"), "transport-core");
        assert_eq!(name_of("x509-cert-1.0.0-rc.1"), "x509-cert");
        assert_eq!(name_of("odd"), "odd");
    }

    #[test]
    fn unpacked_workspace_has_patches_and_profiles() {
        let ours =
            "[workspace]\nmembers = [\"crates/*\"]\n\n[profile.dev]\ndebug = 1\n\n[other]\nx = 1\n";
        let text = workspace(ours, &["a-b-0.1.0".into()]);
        assert!(text.contains("members = [\"a-b-0.1.0\"]"), "{text}");
        assert!(
            text.contains("\na-b = { path = \"a-b-0.1.0\" }\n"),
            "{text}"
        );
        assert!(text.contains("[profile.dev]\ndebug = 1\n"), "{text}");
        assert!(
            !text.contains("other") && !text.contains("crates/*"),
            "{text}"
        );
    }

    #[test]
    fn crate_without_package_is_found() {
        let krate = |name: &str| Krate {
            name: name.into(),
            ..Krate::default()
        };
        let (a, b) = (krate("a"), krate("a-b"));
        let found = missing(&[&a, &b], &["a-b-0.1.0".into()]);
        assert_eq!(found, ["a: no package"]);
    }
}
