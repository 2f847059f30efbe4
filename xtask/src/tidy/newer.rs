//! Syntax that is newer than the minimum Rust version.
//!
//! The newest toolchain compiles all of it, and clippy's `incompatible_msrv` checks calls only. Text does
//! not show some features, such as trait upcasting; reviewers look for them.

use super::source::{split, tokens, Token};
use super::Finding;

/// Crates with a newer minimum version.
const EXEMPT: &[&str] = &["crates/transport-arti/"];

/// Sequences of tokens, with the feature's name and version.
const PATTERNS: &[(&[&str], &str)] = &[
    (&["async", "|"], "an async closure (1.85)"),
    (&["async", "move", "|"], "an async closure (1.85)"),
    (&["AsyncFn"], "`AsyncFn` (1.85)"),
    (&["AsyncFnMut"], "`AsyncFnMut` (1.85)"),
    (&["AsyncFnOnce"], "`AsyncFnOnce` (1.85)"),
    (&["use", "<"], "precise capturing, `use<…>` (1.82)"),
    (&["&", "&", "let"], "a let chain (1.88)"),
    (&["&", "raw", "const"], "`&raw const` (1.82)"),
    (&["&", "raw", "mut"], "`&raw mut` (1.82)"),
    (&["unsafe", "extern"], "`unsafe extern` (1.82)"),
    (&["[", "unsafe", "("], "an unsafe attribute (1.82)"),
    (&["[", "expect", "("], "`#[expect(…)]` (1.81)"),
    (&["cfg", "(", "true", ")"], "`cfg(true)` (1.88)"),
    (&["cfg", "(", "false", ")"], "`cfg(false)` (1.88)"),
];

/// Words after which `if let` is an ordinary expression.
const BEFORE_IF: &[&str] = &[
    "else", "return", "break", "in", "match", "move", "async", "while", "if", "const", "loop",
    "yield", "await",
];

/// Finds newer syntax in crates that support an older Rust.
pub(super) fn syntax(path: &str, text: &str) -> Vec<Finding> {
    let ours = path.starts_with("crates/") && path.ends_with(".rs");
    if !ours || EXEMPT.iter().any(|crate_dir| path.starts_with(crate_dir)) {
        return Vec::new();
    }
    let code = split(text).code;
    let tokens = tokens(&code);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let rest = &tokens[at..];
        let hit = PATTERNS.iter().find(|(pattern, _)| starts(rest, pattern));
        let what = match hit {
            Some(&(pattern, what)) if pattern[0] != "[" || is_attribute(&tokens, at) => what,
            _ if at > 0 && is_guard(tokens[at - 1].1, rest) => "an `if let` guard (1.95)",
            _ if at > 0 && is_lint_reason(rest) && is_attribute(&tokens, at) => {
                "a reason in a lint attribute (1.81)"
            }
            _ => continue,
        };
        found.push(Finding::new(
            path,
            tokens[at].0,
            format!("{what} is newer than Rust 1.80"),
        ));
    }
    found
}

fn starts(tokens: &[Token], pattern: &[&str]) -> bool {
    tokens.len() >= pattern.len() && pattern.iter().zip(tokens).all(|(want, (_, is))| want == is)
}

/// Returns whether the `[` at this index follows `#` or `#!`.
fn is_attribute(tokens: &[Token], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or("", |i| tokens[i].1);
    before(1) == "#" || (before(1) == "!" && before(2) == "#")
}

/// Returns whether `if let` is the guard of a match arm.
///
/// The token before it cannot end a statement.
fn is_guard(before: &str, rest: &[Token]) -> bool {
    let word = before.starts_with(|c: char| c == '_' || c.is_alphanumeric());
    starts(rest, &["if", "let"]) && (before == ")" || (word && !BEFORE_IF.contains(&before)))
}

/// Returns whether this is a lint attribute with a reason.
fn is_lint_reason(rest: &[Token]) -> bool {
    let level = rest.get(1).map_or("", |token| token.1);
    let inside = rest
        .iter()
        .position(|token| token.1 == "]")
        .map_or(rest, |end| &rest[..end]);
    rest[0].1 == "["
        && matches!(level, "allow" | "warn" | "deny" | "forbid")
        && (0..inside.len()).any(|at| starts(&inside[at..], &["reason", "="]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> usize {
        syntax("crates/transport-core/src/a.rs", code).len()
    }

    #[test]
    fn newer_syntax_is_found() {
        for bad in [
            "let f = async |x| x;",
            "let f = async || 1;",
            "let f = async move |x| x;",
            "fn f(g: impl AsyncFn()) {}",
            "fn f<'a>(x: &'a u8) -> impl Sized + use<'a> {}",
            "if let Some(x) = y && let Some(z) = x {}",
            "if a && let Some(z) = x {}",
            "let p = &raw const x;",
            "unsafe extern \"C\" {}",
            "#[unsafe(no_mangle)]",
            "#[expect(dead_code)]",
            "#![expect(dead_code)]",
            "#[cfg(false)]",
            "match x { Some(y) if let Ok(z) = y => {} }",
            "match x { y if let Ok(z) = y => {} }",
            "#[allow(dead_code, reason = \"because\")]",
        ] {
            assert_eq!(found(bad), 1, "{bad}");
        }
    }

    #[test]
    fn similar_older_syntax_passes() {
        for good in [
            "let f = async { 1 };",
            "let f = |x| async move { x };",
            "use std::fmt;",
            "while a && b { let c = 1; }",
            "let x = a & b;",
            "let v = [expect(1), 2];",
            "x.expect(\"reason\");",
            "if let Some(x) = y {}",
            "else_if(); if let Some(x) = y {}",
            "a = if b {} else if let Some(x) = y {} else {};",
            "#[ignore = \"reason\"]",
            "#[allow(dead_code)]\nlet reason = 1;",
            "// if a && let b\n/* use<'a> */",
            "let s = \"async |x|\";",
        ] {
            assert_eq!(found(good), 0, "{good}");
        }
    }

    #[test]
    fn only_crates_with_version_are_checked() {
        for path in [
            "xtask/src/a.rs",
            "testing/lab/src/a.rs",
            "crates/transport-arti/src/a.rs",
            "crates/a/README.md",
        ] {
            assert!(syntax(path, "#[expect(dead_code)]").is_empty(), "{path}");
        }
    }
}
