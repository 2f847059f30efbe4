//! Import circles: modules of one crate that use each other.
//!
//! Uses are `crate::` and `super::` paths. A module's use of its own children is none.

mod components;
mod imports;

use std::collections::{BTreeMap, BTreeSet};

use super::source::split;
use super::{test_code, Finding};
use imports::Module;

/// Circles that may stay: their files, sorted, and the reason.
const EXCEPTIONS: &[(&[&str], &str)] = &[];

/// The files of one circle, each with the ones that it uses.
type Circle = BTreeMap<String, BTreeSet<String>>;

/// Finds the circles of every crate, each at its first file.
pub(super) fn find(files: &[(String, String)]) -> Vec<Finding> {
    let circles = all(files).into_iter();
    let wrong = circles.filter(|circle| {
        let listed = |(paths, _): &&(&[&str], &str)| circle.keys().eq(paths.iter());
        !EXCEPTIONS.iter().any(|exception| listed(&exception))
    });
    wrong.map(|circle| finding(&circle)).collect()
}

fn finding(circle: &Circle) -> Finding {
    let first = circle.keys().next().map_or("", String::as_str);
    let mut what = format!("{} files import each other:", circle.len());
    for (from, to) in circle {
        let to: Vec<&str> = to.iter().map(|path| short(path)).collect();
        what += &format!(" {} -> {};", short(from), to.join(", "));
    }
    Finding::new(first, 1, what.trim_end_matches(';'))
}

/// A path from the crate's source folder.
fn short(path: &str) -> &str {
    path.split_once("/src/").map_or(path, |(_, rest)| rest)
}

/// Number of circles and of the files in them, by crate.
pub(super) fn report(files: &[(String, String)]) -> String {
    let mut crates: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (path, _) in files {
        if let Some((source, _)) = source_file(path) {
            crates.entry(source.into()).or_default();
        }
    }
    for circle in all(files) {
        let source = circle.keys().next().and_then(|path| source_file(path));
        if let Some((source, _)) = source {
            let count = crates.entry(source.into()).or_default();
            *count = (count.0 + 1, count.1 + circle.len());
        }
    }
    let lines = crates.iter().map(|(source, (circles, files))| {
        format!("{source:<32}{circles:>3} circles of {files:>3} files\n")
    });
    lines.collect()
}

fn all(files: &[(String, String)]) -> Vec<Circle> {
    let tests = test_code::files(files);
    let mut crates: BTreeMap<&str, Vec<Module>> = BTreeMap::new();
    for (path, text) in files {
        let Some((source, names)) = source_file(path) else {
            continue;
        };
        if tests.iter().all(|test| !test.covers(path)) {
            let code = test_code::without(&split(text).code);
            let module = Module::parse(path, names, &code);
            crates.entry(source).or_default().push(module);
        }
    }
    crates
        .values()
        .flat_map(|modules| circles(modules))
        .collect()
}

fn circles(modules: &[Module]) -> Vec<Circle> {
    let edges = imports::edges(modules);
    let groups = components::strongly_connected(&edges);
    let several = groups.into_iter().filter(|group| group.len() > 1);
    let path = |at: &usize| modules[*at].path.clone();
    let circle = |group: Vec<usize>| {
        let members = group.iter().map(|at| {
            let inside = edges[*at].iter().filter(|to| group.contains(to));
            (path(at), inside.map(path).collect())
        });
        members.collect()
    };
    several.map(circle).collect()
}

/// The source folder of a file's crate, and its module path.
fn source_file(path: &str) -> Option<(&str, Vec<String>)> {
    let at = path.find("/src/")?;
    let (source, file) = (&path[..at + 4], &path[at + 5..]);
    let stem = file.strip_suffix(".rs")?;
    if stem.starts_with("bin/") {
        return None;
    }
    let mut names: Vec<String> = stem.split('/').map(str::to_owned).collect();
    let last = names.last().map_or("", String::as_str);
    if last == "mod" || (names.len() == 1 && matches!(last, "lib" | "main")) {
        names.pop();
    }
    Some((source, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (format!("crates/a/src/{path}"), (*text).to_owned()))
            .collect();
        find(&files)
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn circle_of_two_files_is_found() {
        let all = found(&[
            ("lib.rs", "mod b;\nmod c;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use super::{b::B};"),
        ]);
        assert_eq!(all.len(), 1);
        assert!(all[0].ends_with(": b.rs -> c.rs; c.rs -> b.rs"), "{all:?}");
    }

    #[test]
    fn reexport_leads_to_its_module() {
        let all = found(&[
            ("lib.rs", "mod b;\nmod c;\npub use b::{B, x::Y as Z};"),
            ("b.rs", "fn f() { crate::c::g() }"),
            ("c.rs", "use crate::Z;"),
        ]);
        assert_eq!(all.len(), 1, "{all:?}");
    }

    #[test]
    fn one_direction_is_no_circle() {
        let all = found(&[
            ("lib.rs", "mod b;\nmod c;"),
            (
                "b.rs",
                "mod d;\nuse d::D;\nuse crate::c::C;\npub(in crate::b) fn f() {}",
            ),
            ("b/d.rs", "use super::B; // crate::c"),
            (
                "c.rs",
                "#[cfg(test)]\nmod tests { use super::*; use crate::b::B; }",
            ),
        ]);
        assert_eq!(all, [""; 0]);
    }

    #[test]
    fn inline_module_counts_as_its_file() {
        let text = "pub mod raw { pub use super::X; pub use super::super::c::C; }";
        let all = found(&[("b.rs", text), ("c.rs", "use crate::b::raw::C;")]);
        assert_eq!(all.len(), 1, "{all:?}");
    }

    #[test]
    fn report_counts_by_crate() {
        let files = [
            (
                "crates/a/src/b.rs".to_owned(),
                "use crate::c::C;".to_owned(),
            ),
            (
                "crates/a/src/c.rs".to_owned(),
                "use crate::b::B;".to_owned(),
            ),
            ("xtask/src/main.rs".to_owned(), String::new()),
        ];
        let text = report(&files);
        assert!(text.contains("1 circles of   2 files"), "{text}");
        assert!(text.contains("xtask/src") && text.lines().count() == 2);
    }

    #[test]
    fn exceptions_are_sorted_and_have_reasons() {
        for (paths, reason) in EXCEPTIONS {
            assert!(paths.windows(2).all(|two| two[0] < two[1]) && !reason.is_empty());
        }
    }
}
