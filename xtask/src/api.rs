//! `api`: compares the public API of the published libraries with `docs/api`.
//!
//! cargo-public-api prints one line per item from rustdoc's JSON. It omits automatic and derived
//! implementations, which `semver` compares. The JSON is unstable, so rustdoc alone gets
//! `RUSTC_BOOTSTRAP`: the pinned toolchain gives the same text on every machine, and no dependency is
//! compiled again.

use std::path::{Path, PathBuf};

use crate::apt;
use crate::cmd::{capture, read, run as run_command, write, Cx, Outcome};
use crate::meta;
use crate::tools;

/// The folder of the snapshots, one file for each crate.
const SNAPSHOTS: &str = "docs/api";

/// Compares the snapshots, or writes them with `--write`.
///
/// With `--optional`, as in `ci`, a missing tool is reported and is no error.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let flag = match args {
        [] => "",
        [flag] if flag == "--write" || flag == "--optional" => flag,
        _ => return Err(format!("unknown arguments {args:?}: --write or --optional")),
    };
    // The tool's build needs the headers; an installed tool does not.
    let headers = apt::openssl_headers(cx).err().unwrap_or_default();
    let tool = tools::PUBLIC_API.find_or_install(cx);
    let tool = match tool.map_err(|why| format!("{why} {headers}")) {
        Err(why) if flag == "--optional" => {
            eprintln!("NOT CHECKED: the public API needs cargo-public-api ({why})");
            return Ok(());
        }
        tool => tool?,
    };
    let rustdoc = rustdoc(cx)?;
    let mut stale = Vec::new();
    let all = meta::load(cx)?;
    for krate in all.iter().filter(|krate| krate.published && krate.library) {
        let after = print(cx, &tool, &rustdoc, &krate.name)?;
        let path = Path::new(SNAPSHOTS).join(format!("{}.txt", krate.name));
        let before = read(&cx.root.join(&path)).unwrap_or_default();
        if before == after {
            continue;
        }
        if flag == "--write" {
            write(&cx.root.join(&path), &after)?;
            eprintln!("{} is written", path.display());
        } else {
            eprint!("{}:\n{}", path.display(), difference(&before, &after));
            stale.push(krate.name.as_str());
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the public API changed in {}: if intended, run `cargo xtask api --write`",
        stale.join(", ")
    ))
}

/// Writes a rustdoc that allows unstable options.
fn rustdoc(cx: &Cx) -> Result<PathBuf, String> {
    let path = cx.scratch("api").join("rustdoc");
    write(&path, "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n")?;
    run_command(cx.program("chmod", ["+x"]).arg(&path))?;
    Ok(path)
}

/// The public API with all features, one item per line.
fn print(cx: &Cx, tool: &Path, rustdoc: &Path, name: &str) -> Result<String, String> {
    let mut doc = cx.cargo(["rustdoc", "-q", "--lib", "--all-features", "-p", name, "--"]);
    doc.args(["-Z", "unstable-options", "--output-format", "json"]);
    run_command(doc.args(["--cap-lints", "allow"]).env("RUSTDOC", rustdoc))?;
    let json = format!("doc/{}.json", name.replace('-', "_"));
    let mut command = cx.program(tool, ["-sss", "--color", "never", "--rustdoc-json"]);
    capture(command.arg(cx.target().join(json)))
}

/// Lines that are in one text only, with `-` or `+`.
fn difference(before: &str, after: &str) -> String {
    let only = |one: &str, other: &str, sign: char| {
        let others: std::collections::BTreeSet<&str> = other.lines().collect();
        let lines = one.lines().filter(|line| !others.contains(line));
        lines
            .map(|line| format!("  {sign} {line}\n"))
            .collect::<String>()
    };
    only(before, after, '-') + &only(after, before, '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_has_removed_and_added_lines() {
        let text = difference("fn a()\nfn b()\n", "fn b()\nfn c()\n");
        assert_eq!(text, "  - fn a()\n  + fn c()\n");
        assert_eq!(difference("x\n", "x\n"), "");
    }
}
