//! Relative clauses as subjects, and words that signal unclear sentences.

use super::sentences::{sentences, Sentence};
use super::{Block, Finding};

/// First words of a sentence whose subject is a relative clause.
const SUBJECTS: &[&str] = &[
    "what",
    "who",
    "whom",
    "whoever",
    "whomever",
    "whatever",
    "whichever",
    "that which",
    "those who",
    "those that",
    "he who",
    "all that",
];

/// Beginnings that are none: an infinitive names an action.
const ALLOWED: &[&str] = &["what to"];

/// Words that are rarely the plain ones.
const SIGNALS: &[&str] = &[
    "force", "forces", "tell", "tells", "told", "reckon", "reckons", "reckoned", "nobody",
    "for ever", "is there", "goes on", "whoever", "whatever",
];

/// Finds sentences that start with a relative clause; a question is none.
pub(super) fn subjects(path: &str, blocks: &[Block]) -> Vec<Finding> {
    let all = blocks.iter().flat_map(sentences);
    let wrong = all.filter_map(|sentence| {
        let start = subject(&sentence)?;
        let what = format!("sentence starts with {start:?}: name the thing");
        Some(Finding::new(path, sentence.line, what))
    });
    wrong.collect()
}

fn subject(sentence: &Sentence) -> Option<&'static str> {
    // A word alone, such as the head of a table's column, has no clause.
    if sentence.words.len() < 2 || sentence.is_question() {
        return None;
    }
    let words = plain(sentence, |word| {
        word.trim_matches(['(', '"', '“', '”', '*', '[', ']', '_'])
    });
    if ALLOWED.iter().any(|start| begins(&words, start)) {
        return None;
    }
    SUBJECTS.iter().copied().find(|start| begins(&words, start))
}

/// Points out sentences with a signal word.
pub(super) fn signal_words(path: &str, blocks: &[Block]) -> Vec<Finding> {
    let all = blocks.iter().flat_map(sentences);
    let found = all.filter_map(|sentence| {
        let words = plain(&sentence, |word| {
            word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '`')
        });
        let holds = |signal: &&&str| (0..words.len()).any(|at| begins(&words[at..], signal));
        let signal = SIGNALS.iter().find(holds)?;
        let what = format!("{signal:?} often marks a sentence to rewrite");
        Some(Finding {
            notice: true,
            ..Finding::new(path, sentence.line, what)
        })
    });
    found.collect()
}

fn plain(sentence: &Sentence, trim: impl Fn(&str) -> &str) -> Vec<String> {
    let words = sentence.words.iter();
    words.map(|word| trim(word).to_lowercase()).collect()
}

fn begins(words: &[String], start: &str) -> bool {
    let mut words = words.iter();
    start
        .split(' ')
        .all(|part| words.next().is_some_and(|word| word == part))
}

#[cfg(test)]
mod tests {
    use super::super::prose::blocks;
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        subjects(path, &blocks(path, text)).len()
    }

    #[test]
    fn relative_clause_as_subject_is_found() {
        for bad in [
            "What is refused is dropped.",
            "Who connects waits.",
            "Whoever waits is woken.",
            "Whatever is left is sent.",
            "That which is held is sent.",
            "Fine. What follows is not.",
            "**What** it costs.",
        ] {
            assert_eq!(found("a.md", bad), 1, "{bad}");
            assert_eq!(found("a.rs", &format!("    /// {bad}\n")), 1, "{bad}");
            assert_eq!(found("a.rs", &format!("f(); // {bad}\n")), 1, "{bad}");
        }
        assert_eq!(found("a.md", "| x | what it does |\n"), 1);
        assert_eq!(found("a.toml", "# What it is.\na = \"What it is\"\n"), 1);
    }

    #[test]
    fn questions_and_headings_of_one_are_free() {
        for good in [
            "What does a reset look like?",
            "# What's new",
            "# What to do",
            "| what | why |",
            "Whatsoever. The client, who waits, is `what it is`.",
            "`What` is a name.",
            "```\nWhat is code\n```",
        ] {
            assert_eq!(found("a.md", good), 0, "{good}");
        }
        assert_eq!(found("a.rs", "let a = \"// What is it\";\n"), 0);
    }
}
