//! `tidy`: house rules that neither rustfmt nor clippy checks.
//!
//! A check is a pure function of a file's path (from the root, with `/`) and text, or of all files, so
//! its tests show it fail. Each check selects its files by path.

mod circles;
mod code;
mod english;
mod fenced;
mod lib_shape;
mod manifest;
mod newer;
mod source;
mod test_code;
mod types;
mod words;

use std::path::Path;

use crate::cmd::{Cx, Outcome};

/// A broken rule at a place in a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1.
    line: usize,
    what: String,
    /// A notice is printed and does not fail the step.
    notice: bool,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            what: what.into(),
            notice: false,
        }
    }
}

type Check = fn(path: &str, text: &str) -> Vec<Finding>;

const CHECKS: &[Check] = &[
    code::length,
    code::stubs,
    code::markers,
    fenced::uses,
    newer::syntax,
    lib_shape::lib_rs,
    manifest::lints,
    manifest::reasons,
    words::places,
    words::issues,
];

/// A check of all files together.
type TreeCheck = fn(files: &[(String, String)]) -> Vec<Finding>;

/// Checks of all files, which also run alone by name.
const TREE_CHECKS: &[(&str, TreeCheck)] = &[
    ("english", |files| each(english::check, files)),
    ("types", types::twice),
    ("circles", circles::find),
    ("words", |files| each(english::words, files)),
];

/// Tree checks that run by name only. The notices of `words` are hints for authors.
const BY_NAME_ONLY: &[&str] = &["words"];

/// Folders without files of the project, and inputs of fuzz targets.
const SKIPPED: &[&str] = &[".git", "target", "corpus", "regressions"];

/// Checks every text file of the work tree.
///
/// The name of a check runs it alone, for the paths that follow or for all files.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let mut files = Vec::new();
    walk(&cx.root, &cx.root, &mut files)?;
    files.sort_unstable();
    if let Some((name, paths)) = args.split_first() {
        return run_one(name, paths, &files);
    }
    let mut findings = Vec::new();
    for (path, text) in &files {
        findings.extend(CHECKS.iter().flat_map(|check| check(path, text)));
    }
    for (name, check) in TREE_CHECKS {
        if !BY_NAME_ONLY.contains(name) {
            findings.extend(check(&files));
        }
    }
    for Finding {
        path,
        line,
        what,
        notice,
    } in &findings
    {
        let word = if *notice { "notice" } else { "error" };
        eprintln!("{word}: {path}:{line}: {what}");
    }
    match findings.iter().filter(|finding| !finding.notice).count() {
        0 => {
            eprintln!("tidy: {} files pass", files.len());
            Ok(())
        }
        count => Err(format!("{count} findings")),
    }
}

/// Runs one check and prints `path:line: finding` for the chosen paths.
fn run_one(name: &str, paths: &[String], files: &[(String, String)]) -> Outcome {
    let Some((_, check)) = TREE_CHECKS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = TREE_CHECKS.iter().map(|(name, _)| *name).collect();
        return Err(format!("unknown check {name:?}: use {}", known.join(", ")));
    };
    if name == "circles" {
        eprint!("{}", circles::report(files));
    }
    let mut findings = check(files);
    let chosen = |path: &str| {
        let mut paths = paths.iter().map(|chosen| chosen.trim_end_matches('/'));
        paths.any(|chosen| path == chosen || path.starts_with(&format!("{chosen}/")))
    };
    findings.retain(|finding| paths.is_empty() || chosen(&finding.path));
    for Finding {
        path, line, what, ..
    } in &findings
    {
        println!("{path}:{line}: {what}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("{count} findings")),
    }
}

fn each(check: Check, files: &[(String, String)]) -> Vec<Finding> {
    let found = files.iter().flat_map(|(path, text)| check(path, text));
    found.collect()
}

/// Collects every UTF-8 file below `dir`; other files are not checked.
fn walk(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) -> Outcome {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    for entry in entries {
        let entry = entry.map_err(|e| format!("{}: {e}", dir.display()))?;
        let kind = entry
            .file_type()
            .map_err(|e| format!("{}: {e}", dir.display()))?;
        let path = entry.path();
        if kind.is_dir() {
            if !SKIPPED.iter().any(|name| entry.file_name() == *name) {
                walk(root, &path, files)?;
            }
        } else if kind.is_file() {
            if let Ok(text) = std::fs::read_to_string(&path) {
                let below = path.strip_prefix(root).unwrap_or(&path);
                files.push((below.to_string_lossy().into_owned(), text));
            }
        }
    }
    Ok(())
}
