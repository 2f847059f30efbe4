//! `tidy english`: the language rules that text alone shows.
//!
//! Summaries of at most 12 words, no relative clause as the subject of a sentence, and test names
//! of a noun and a condition.

mod clauses;
mod prose;
mod sentences;
mod summaries;
mod test_names;

use prose::Block;

use super::Finding;

/// Checks one file of Rust, Markdown or comments that start with `#`.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let blocks = prose::blocks(path, text);
    let mut found = summaries::long(path, &blocks);
    found.extend(clauses::subjects(path, &blocks));
    found.extend(test_names::names(path, text));
    found.sort_by_key(|finding| finding.line);
    found
}

/// Points out words that often mark a sentence to rewrite.
pub(super) fn words(path: &str, text: &str) -> Vec<Finding> {
    clauses::signal_words(path, &prose::blocks(path, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_all_rules_in_line_order() {
        let text = "//! Whatever is left.\n\n#[test]\nfn a_test() {}\n\n\
                    /// One two three four five six seven eight nine ten eleven twelve thirteen.\n";
        let lines: Vec<usize> = check("a.rs", text).iter().map(|f| f.line).collect();
        assert_eq!(lines, [1, 4, 6]);
    }

    #[test]
    fn signal_words_are_notices() {
        let found = words("a.md", "The peer is told.\n");
        assert!(found[0].notice && found[0].what.contains("told"));
    }
}
