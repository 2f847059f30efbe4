//! Items and files with `#[cfg(test)]`.

use super::source::{split, tokens, Token};

/// A module that is compiled for tests only.
#[derive(Debug, PartialEq)]
pub(super) struct TestModule {
    /// The path of its file without `.rs`.
    stem: String,
}

impl TestModule {
    /// Returns whether a path is its file or below it.
    pub(super) fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.stem);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

/// The modules with their own files that only tests compile.
pub(super) fn files(files: &[(String, String)]) -> Vec<TestModule> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let code = split(text).code;
        let tokens = tokens(&code);
        for (start, end) in test_items(&tokens) {
            let item = &tokens[start..end];
            let at = item.iter().position(|token| token.1 == "mod");
            let name = at.and_then(|at| item.get(at + 1));
            if let (Some((_, name)), Some((_, ";"))) = (name, item.last()) {
                let stem = format!("{}{name}", folder_of_children(path));
                found.push(TestModule { stem });
            }
        }
    }
    found
}

/// The folder, with a final `/`, that holds the modules below a file.
pub(super) fn folder_of_children(path: &str) -> String {
    let (dir, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => format!("{dir}/"),
        _ => format!("{}/", path.trim_end_matches(".rs")),
    }
}

/// Code without the items of tests; line numbers do not change.
pub(super) fn without(code: &str) -> String {
    let tokens = tokens(code);
    let mut lines: Vec<String> = code.lines().map(str::to_owned).collect();
    for (start, end) in test_items(&tokens) {
        let (first, last) = (tokens[start].0, tokens[end - 1].0);
        for line in &mut lines[first - 1..last] {
            line.clear();
        }
    }
    lines.join("\n")
}

/// The token range of each item with `#[cfg(test)]`, attributes included.
fn test_items(tokens: &[Token]) -> Vec<(usize, usize)> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let simple = ["#", "[", "cfg", "(", "test", ")"];
        let all = ["#", "[", "cfg", "(", "all", "(", "test"];
        let starts = |words: &[&str]| (0..words.len()).all(|i| word(at + i) == words[i]);
        if starts(&simple) || starts(&all) {
            let end = end_of_item(tokens, at);
            found.push((at, end));
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// The index after the item at `at` and its attributes.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (i, (_, word)) in tokens.iter().enumerate().skip(at) {
        match *word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *word == "}" {
                    return i + 1;
                }
            }
            ";" | "," if depth == 0 => return i + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_items_are_blanked() {
        let code = "a\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n  b;\n}\nc\n#[cfg(test)]\nuse d;\ne";
        assert_eq!(without(code), "a\n\n\n\n\n\nc\n\n\ne");
        let code = "#[cfg(all(test, x))]\nfn f() { }\ng\n#[cfg(not(test))]\nh;";
        assert_eq!(without(code), "\n\ng\n#[cfg(not(test))]\nh;");
    }

    #[test]
    fn test_module_covers_its_files() {
        let text = "#[cfg(test)]\nmod tests;\nmod other;\n".to_owned();
        let found = files(&[("crates/a/src/b.rs".into(), text.clone())]);
        assert_eq!(found.len(), 1);
        for (path, covered) in [
            ("crates/a/src/b/tests.rs", true),
            ("crates/a/src/b/tests/x.rs", true),
            ("crates/a/src/b/tests_x.rs", false),
            ("crates/a/src/b/other.rs", false),
        ] {
            assert_eq!(found[0].covers(path), covered, "{path}");
        }
        let found = files(&[("crates/a/src/lib.rs".into(), text)]);
        assert!(found[0].covers("crates/a/src/tests.rs"));
    }
}
