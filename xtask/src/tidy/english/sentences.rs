//! Sentences and words of a block.

use super::Block;

/// A sentence; a code span is one word.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sentence {
    pub(super) line: usize,
    pub(super) words: Vec<String>,
}

impl Sentence {
    /// True where the sentence ends with a question mark.
    pub(super) fn is_question(&self) -> bool {
        let last = self.words.last().map_or("", |word| bare_end(word));
        last.ends_with('?')
    }
}

/// Words whose full stop does not end a sentence.
const ABBREVIATIONS: &[&str] = &["e.g.", "i.e.", "cf.", "vs.", "etc.", "ca."];

/// Splits a block into its sentences.
pub(super) fn sentences(block: &Block) -> Vec<Sentence> {
    let words = words(block);
    let mut found = vec![Sentence::default()];
    for (at, (line, word)) in words.iter().enumerate() {
        let Some(open) = found.last_mut() else { break };
        if open.words.is_empty() {
            open.line = *line;
        }
        open.words.push(word.clone());
        let next = words.get(at + 1).map(|(_, next)| next.as_str());
        if next.is_some_and(|next| ends(word) && starts(next)) {
            found.push(Sentence::default());
        }
    }
    found.retain(|sentence| !sentence.words.is_empty());
    found
}

fn words(block: &Block) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut in_code = false;
    for (line, text) in &block.lines {
        for word in text.split_whitespace() {
            match found.last_mut() {
                Some((_, open)) if in_code => {
                    open.push('_');
                    open.push_str(word);
                }
                _ => found.push((*line, word.to_owned())),
            }
            in_code ^= word.matches('`').count() % 2 == 1;
        }
    }
    found
}

fn bare_end(word: &str) -> &str {
    word.trim_end_matches([')', '"', '”', '*', '_', ']'])
}

fn ends(word: &str) -> bool {
    let bare = bare_end(word);
    bare.ends_with(['.', '!', '?']) && !ABBREVIATIONS.contains(&bare.trim_start_matches('('))
}

fn starts(word: &str) -> bool {
    let first = word
        .trim_start_matches(['(', '"', '“', '*', '['])
        .chars()
        .next();
    first.is_some_and(|c| !c.is_lowercase())
}

#[cfg(test)]
mod tests {
    use super::super::prose::blocks;
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let blocks = blocks("a.md", text);
        let all = blocks.iter().flat_map(sentences);
        all.map(|sentence| sentence.words.join(" ")).collect()
    }

    #[test]
    fn sentence_ends_before_capital_only() {
        assert_eq!(split("A b. C d? `E` f"), ["A b.", "C d?", "`E` f"]);
        assert_eq!(split("A e.g. B, v0.1 c. d"), ["A e.g. B, v0.1 c. d"]);
        assert_eq!(split("(A b.) C."), ["(A b.)", "C."]);
    }

    #[test]
    fn code_span_is_one_word() {
        assert_eq!(split("A `b. C d` e. F."), ["A `b._C_d` e.", "F."]);
    }

    #[test]
    fn line_of_sentence_is_line_of_first_word() {
        let blocks = blocks("a.md", "A b\nc. D\ne. F.\n");
        let lines: Vec<usize> = sentences(&blocks[0]).iter().map(|s| s.line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }
}
