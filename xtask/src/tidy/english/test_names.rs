//! Names of test functions.

use super::super::source::{split, tokens, Token};
use super::Finding;

const MAX_CHARS: usize = 45;
/// Beginnings of sentences; a test's name is a noun and a condition.
const SENTENCE_STARTS: &[&str] = &["a_", "an_", "the_", "what_", "who_", "it_"];

/// Finds test names that are too long or sentences.
pub(super) fn names(path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let code = split(text).code;
    let tokens = tokens(&code);
    let mut found = Vec::new();
    for (line, name) in test_functions(&tokens) {
        let chars = name.chars().count();
        if chars > MAX_CHARS {
            let what = format!("test name has {chars} characters: at most {MAX_CHARS}");
            found.push(Finding::new(path, line, what));
        }
        if let Some(start) = SENTENCE_STARTS
            .iter()
            .find(|start| name.starts_with(*start))
        {
            let what = format!("test name starts with `{start}`: a noun and a condition");
            found.push(Finding::new(path, line, what));
        }
    }
    found
}

/// The functions below an attribute whose path ends in `test`.
fn test_functions<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let opens = matches!(word(at.wrapping_sub(1)), "[" | ":");
        if word(at) != "test" || !opens || !matches!(word(at + 1), "]" | "(") {
            continue;
        }
        // `fn` follows after the end of this attribute, further ones, `async` and `pub`.
        let Some(to_fn) = tokens[at..].iter().position(|token| token.1 == "fn") else {
            continue;
        };
        if tokens[at..at + to_fn].iter().all(|token| token.1 != "{") {
            found.extend(tokens.get(at + to_fn + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> usize {
        let plain = names("a.rs", &format!("#[test]\nfn {name}() {{}}\n")).len();
        let attribute = "#[tokio::test(start_paused = true)]\n#[ignore = \"x\"]\npub async";
        let tokio = names("a.rs", &format!("{attribute} fn {name}() {{}}\n")).len();
        assert_eq!(plain, tokio);
        plain
    }

    #[test]
    fn long_name_is_found() {
        assert_eq!(found(&"x".repeat(45)), 0);
        assert_eq!(found(&"x".repeat(46)), 1);
    }

    #[test]
    fn sentence_is_found() {
        for start in SENTENCE_STARTS {
            assert_eq!(found(&format!("{start}listener")), 1, "{start}");
        }
        assert_eq!(found("after_reset"), 0);
    }

    #[test]
    fn other_functions_are_free() {
        let text = "fn the_helper() {}\n#[cfg(test)]\nmod tests { fn a_b() {} }\n";
        assert!(names("a.rs", text).is_empty());
    }
}
