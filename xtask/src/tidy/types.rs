//! Type names that the workspace declares twice.

use std::collections::BTreeMap;

use super::source::{is_word, split, tokens};
use super::{test_code, Finding};

/// Names that may be declared twice, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "FileRules",
    "one for each platform, in `landlock.rs` and `no_landlock.rs`",
)];

/// Words that declare a type.
const DECLARATIONS: &[&str] = &["struct", "enum", "union", "trait", "type"];

/// Finds declarations with the same name, outside of tests.
pub(super) fn twice(files: &[(String, String)]) -> Vec<Finding> {
    let tests = test_code::files(files);
    let mut all: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for (path, text) in files {
        if in_scope(path) && !tests.iter().any(|test| test.covers(path)) {
            for (line, name) in declared(text) {
                all.entry(name).or_default().push((path, line));
            }
        }
    }
    all.retain(|name, _| EXCEPTIONS.iter().all(|(exception, _)| exception != name));
    let mut found = Vec::new();
    for (name, places) in all.iter().filter(|(_, places)| places.len() > 1) {
        for (at, (path, line)) in places.iter().enumerate() {
            let (other, other_line) = places[usize::from(at == 0)];
            let what = format!("type `{name}` is declared in {other}:{other_line} too");
            found.push(Finding::new(path, *line, what));
        }
    }
    found.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    found
}

/// Sources of libraries and programs under `crates`.
fn in_scope(path: &str) -> bool {
    let source = path.starts_with("crates/") && path.contains("/src/");
    source && path.ends_with(".rs")
}

/// Types that a file declares, without associated types and tests.
fn declared(text: &str) -> Vec<(usize, String)> {
    let code = test_code::without(&split(text).code);
    let tokens = tokens(&code);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut found = Vec::new();
    // For each open brace, whether `type` in it declares an associated type.
    let mut open: Vec<bool> = Vec::new();
    let mut associated = false;
    for (at, &(line, token)) in tokens.iter().enumerate() {
        let starts_item = at == 0
            || matches!(
                word(at - 1),
                ";" | "}" | "{" | "]" | "pub" | ")" | "unsafe" | "auto"
            );
        match token {
            "{" => {
                open.push(associated);
                associated = false;
            }
            "}" => drop(open.pop()),
            ";" => associated = false,
            "impl" if starts_item => associated = true,
            _ if DECLARATIONS.contains(&token) && starts_item => {
                let name = word(at + 1);
                let is_name = name.starts_with(|c: char| is_word(c) && c.is_uppercase());
                let inner = token == "type" && open.last() == Some(&true);
                if is_name && !inner {
                    found.push((line, name.to_owned()));
                }
                associated |= token == "trait";
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> (String, String) {
        (path.into(), text.into())
    }

    fn names(text: &str) -> Vec<String> {
        declared(text).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn every_kind_of_type_is_seen() {
        let text = "pub struct A<T>(T);\npub(crate) enum B { X }\ntrait C { type Io; fn f(); }\n\
                    #[derive(Debug)]\nstruct D { a: u8 }\ntype E = A<u8>;\n\
                    impl C for A<u8> { type Io = u8; fn f() { struct F; } }\n";
        assert_eq!(names(text), ["A", "B", "C", "D", "E", "F"]);
    }

    #[test]
    fn uses_and_test_types_are_not() {
        let text = "fn f() -> impl Sized { g::<A>() }\n// struct A;\nlet s = \"struct B;\";\n\
                    macro_rules! m { ($n:ident) => { struct $n; } }\n\
                    #[cfg(test)]\nmod tests { struct C; }\n#[cfg(test)]\nstruct D;\nstruct E;\n";
        assert_eq!(names(text), ["E"]);
    }

    #[test]
    fn each_declaration_names_another() {
        let files = [
            file("crates/a/src/lib.rs", "#[cfg(test)]\nmod probe;\nstruct A;"),
            file("crates/a/src/probe.rs", "struct B;"),
            file("crates/a/tests/x.rs", "struct A;"),
            file("crates/b/src/x.rs", "\nstruct A;\nstruct B;"),
        ];
        let found = twice(&files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            (found[1].path.as_str(), found[1].line),
            ("crates/b/src/x.rs", 2)
        );
        assert!(found[1].what.contains("crates/a/src/lib.rs:3"));
        assert!(found[0].what.contains("crates/b/src/x.rs:2"));
    }

    #[test]
    fn exceptions_have_reasons() {
        assert!(EXCEPTIONS.iter().all(|(_, reason)| !reason.is_empty()));
    }
}
