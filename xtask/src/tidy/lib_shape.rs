//! A crate's `lib.rs` has documentation, attributes, modules and re-exports only.
//!
//! `compile_error!` for an unsupported platform is allowed too.

use super::source::{split, tokens, Token};
use super::Finding;

/// Finds the first other item of a `lib.rs`.
pub(super) fn lib_rs(path: &str, text: &str) -> Vec<Finding> {
    if !(path.starts_with("crates/") && path.ends_with("/src/lib.rs")) {
        return Vec::new();
    }
    let code = split(text).code;
    let stranger = first_stranger(&tokens(&code));
    let found = stranger.map(|(line, word)| {
        Finding::new(
            path,
            line,
            format!("`{word}` in lib.rs: only modules and re-exports are allowed"),
        )
    });
    found.into_iter().collect()
}

/// The first token of the first item that is not allowed.
fn first_stranger<'a>(tokens: &[Token<'a>]) -> Option<Token<'a>> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut at = 0;
    while at < tokens.len() {
        at = match word(at) {
            "#" if word(at + 1) == "!" => after_bracketed(tokens, at + 2),
            "#" => after_bracketed(tokens, at + 1),
            "pub" if word(at + 1) == "(" => after_bracketed(tokens, at + 1),
            // An inline module: its items are checked like the others.
            "mod" if word(at + 2) == "{" => at + 3,
            "pub" | "}" => at + 1,
            "use" | "mod" => after_semicolon(tokens, at),
            // Rejects platforms and combinations of features.
            "compile_error" if word(at + 1) == "!" => after_semicolon(tokens, at),
            "extern" if word(at + 1) == "crate" => after_semicolon(tokens, at),
            _ => return Some(tokens[at]),
        };
    }
    None
}

/// The index after the group that opens at `at`.
fn after_bracketed(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (i, (_, word)) in tokens.iter().enumerate().skip(at) {
        match *word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

fn after_semicolon(tokens: &[Token], at: usize) -> usize {
    let end = tokens.iter().skip(at).position(|token| token.1 == ";");
    end.map_or(tokens.len(), |end| at + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/a/src/lib.rs";

    #[test]
    fn documentation_modules_and_reexports_pass() {
        let text = "//! Docs: fn a() {}\n#![cfg_attr(docsrs, feature(doc_cfg))]\n\nmod a;\n\
                    pub(crate) mod b;\n#[cfg(feature = \"x\")]\npub mod c;\n\
                    pub use a::{b::{C, D}, E};\nextern crate alloc;\n\
                    /// Raw.\npub mod raw {\n    pub use crate::b::Raw;\n}\n\
                    #[cfg(test)]\nmod tests;\n\
                    #[cfg(windows)]\ncompile_error!(\"not on Windows\");\n";
        assert!(lib_rs(PATH, text).is_empty());
    }

    #[test]
    fn any_other_item_is_found() {
        for bad in [
            "fn a() {}",
            "pub struct A;",
            "impl A {}",
            "pub const A: u8 = 1;",
            "pub mod raw { pub fn a() {} }",
            "macro_rules! a { () => {} }",
            "pub(crate) enum A {}",
        ] {
            assert_eq!(
                lib_rs(PATH, &format!("//! Docs\nmod a;\n{bad}\n"))[0].line,
                3,
                "{bad}"
            );
        }
    }

    #[test]
    fn other_files_are_not_checked() {
        assert!(lib_rs("crates/a/src/main.rs", "fn main() {}").is_empty());
    }
}
