//! Length of files, stubs, `unsafe`, and tests that are ignored.

use super::source::{is_word, split, tokens, Token};
use super::Finding;

/// A file longer than this fails.
const MAX_LINES: usize = 400;
/// A file longer than this gets a notice.
const LONG_LINES: usize = 250;

/// Words that mark unfinished work.
const MARKERS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
];

/// Finds files that are too long to read at once.
pub(super) fn length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if !path.ends_with(".rs") || lines <= LONG_LINES {
        return Vec::new();
    }
    let what = format!("{lines} lines: split it, over {MAX_LINES} fails");
    vec![Finding {
        notice: lines <= MAX_LINES,
        ..Finding::new(path, 1, what)
    }]
}

/// Finds stub macros, `unsafe`, and tests ignored without a reason.
pub(super) fn stubs(path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let code = split(text).code;
    let tokens = tokens(&code);
    let at = |i: usize| tokens.get(i).map_or("", |&(_, word): &Token| word);
    let mut found = Vec::new();
    for (i, &(line, word)) in tokens.iter().enumerate() {
        let called = at(i + 1) == "!" && matches!(at(i + 2), "(" | "[" | "{");
        let what = match word {
            "todo" | "unimplemented" if called => format!("`{word}!` is a stub"),
            "dbg" if called => "`dbg!` is for debugging: remove it".into(),
            "unsafe" => "`unsafe` is forbidden in this workspace".into(),
            "ignore"
                if matches!(at(i.wrapping_sub(1)), "[" | ",") && matches!(at(i + 1), "]" | ")") =>
            {
                "test is ignored without a reason: write `#[ignore = \"…\"]`".into()
            }
            _ => continue,
        };
        found.push(Finding::new(path, line, what));
    }
    found
}

/// Finds words for unfinished work, in Rust files in comments only.
pub(super) fn markers(path: &str, text: &str) -> Vec<Finding> {
    if path == "Cargo.lock" {
        return Vec::new();
    }
    let comments = path.ends_with(".rs").then(|| split(text).comments);
    let text = comments.as_deref().unwrap_or(text);
    let mut found = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let marker = text
            .split(|c| !is_word(c))
            .find(|word| MARKERS.contains(word));
        found.extend(marker.map(|word| {
            Finding::new(
                path,
                line + 1,
                format!("`{word}` marks unfinished work: finish it, or document the limit"),
            )
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_file_gets_notice_and_longer_fails() {
        assert!(length("a.rs", &"x\n".repeat(250)).is_empty());
        assert!(length("a.rs", &"x\n".repeat(400))[0].notice);
        assert!(!length("a.rs", &"x\n".repeat(401))[0].notice);
        assert!(length("a.md", &"x\n".repeat(401)).is_empty());
    }

    #[test]
    fn stub_macros_are_found_in_code_only() {
        for bad in [
            "todo!()",
            "unimplemented!(\"later\")",
            "let x = dbg!(y);",
            "todo! {}",
        ] {
            assert_eq!(stubs("a.rs", bad).len(), 1, "{bad}");
        }
        for good in [
            "// todo!()",
            "let s = \"dbg!(x)\";",
            "if todo != 1 {}",
            "fn todo() {}",
        ] {
            assert!(stubs("a.rs", good).is_empty(), "{good}");
        }
        assert_eq!(stubs("a.rs", "a\n\ntodo!()")[0].line, 3);
        assert!(stubs("a.md", "todo!()").is_empty());
    }

    #[test]
    fn unsafe_is_found_as_a_word_of_the_code() {
        assert_eq!(stubs("a.rs", "unsafe fn a() {}").len(), 1);
        assert!(stubs("a.rs", "#![forbid(unsafe_code)] // not unsafe").is_empty());
    }

    #[test]
    fn test_ignored_without_reason_is_found() {
        assert_eq!(stubs("a.rs", "#[ignore]\nfn a() {}").len(), 1);
        assert_eq!(stubs("a.rs", "#[cfg_attr(x, ignore)]").len(), 1);
        assert!(stubs("a.rs", "#[ignore = \"takes an hour\"]").is_empty());
        assert!(stubs("a.rs", "fn ignore(ignore: u8) {}").is_empty());
    }

    #[test]
    fn markers_in_comments_and_other_files() {
        let marker = MARKERS[0];
        assert_eq!(markers("a.rs", &format!("// {marker}: x")).len(), 1);
        assert!(markers("a.rs", &format!("let x = \"{marker}\";")).is_empty());
        assert_eq!(markers("a.toml", &format!("# {}", MARKERS[2])).len(), 1);
        assert!(markers("a.md", &format!("{}X {marker}S", MARKERS[1])).is_empty());
    }
}
