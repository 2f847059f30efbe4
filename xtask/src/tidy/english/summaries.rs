//! Length of the first sentence of every doc comment.

use super::sentences::sentences;
use super::{Block, Finding};

const MAX_WORDS: usize = 12;

/// Finds doc comments whose first sentence is too long.
pub(super) fn long(path: &str, blocks: &[Block]) -> Vec<Finding> {
    let summaries = blocks.iter().filter(|block| block.summary);
    let first = summaries.filter_map(|block| sentences(block).into_iter().next());
    let counted = first.map(|sentence| {
        let is_word = |word: &&String| word.contains(char::is_alphanumeric);
        (sentence.line, sentence.words.iter().filter(is_word).count())
    });
    let long = counted.filter(|(_, count)| *count > MAX_WORDS);
    long.map(|(line, count)| {
        let what = format!("first doc sentence has {count} words: at most {MAX_WORDS}");
        Finding::new(path, line, what)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::prose::blocks;
    use super::*;

    fn found(text: &str) -> usize {
        long("a.rs", &blocks("a.rs", text)).len()
    }

    #[test]
    fn thirteenth_word_is_found_across_lines() {
        let twelve = "/// one two three four five six\n/// seven eight nine ten eleven twelve";
        assert_eq!(found(&format!("{twelve}.\nfn f() {{}}\n")), 0);
        assert_eq!(found(&format!("{twelve} thirteen.\nfn f() {{}}\n")), 1);
        assert_eq!(found(&format!("{twelve}. Thirteen.\nfn f() {{}}\n")), 0);
    }

    #[test]
    fn code_span_and_sign_count_little() {
        let text = "/// One `two two two two` three – four five six seven eight nine ten x y.\n";
        assert_eq!(found(text), 0);
    }

    #[test]
    fn other_comments_and_later_paragraphs_are_free() {
        let long = "a ".repeat(20);
        assert_eq!(found(&format!("// {long}\n")), 0);
        assert_eq!(found(&format!("/// A.\n///\n/// {long}\n")), 0);
        assert_eq!(found(&format!("//! {long}\n")), 1);
    }
}
