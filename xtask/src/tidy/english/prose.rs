//! Blocks of prose: paragraphs, headings, list items and table cells.

use super::super::source::split;

/// Text that reads as one piece, by line.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Block {
    /// Line numbers, counted from 1, and the text on them.
    pub(super) lines: Vec<(usize, String)>,
    /// True for the first block of a doc comment.
    pub(super) summary: bool,
}

/// Endings of files whose comments start with `#`.
const HASH_COMMENTS: &[&str] = &[
    ".toml",
    ".yml",
    ".yaml",
    ".sh",
    ".service",
    ".socket",
    ".conf",
    ".editorconfig",
    ".ci/run",
    "CODEOWNERS",
];

/// The prose of a file, in order.
pub(super) fn blocks(path: &str, text: &str) -> Vec<Block> {
    if path.ends_with(".rs") {
        return rust(text);
    }
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    if path.ends_with(".md") {
        return markdown(lines);
    }
    if HASH_COMMENTS.iter().any(|end| path.ends_with(end)) {
        return groups(lines.map(|(at, line)| {
            let line = line.trim();
            let marker = if line.starts_with('#') { "#" } else { "" };
            (at, marker, line.trim_start_matches(['#', '!']))
        }));
    }
    Vec::new()
}

/// The comments of Rust code; adjacent lines of one kind are joined.
fn rust(text: &str) -> Vec<Block> {
    let source = split(text);
    let (code, comments) = (source.code.lines(), source.comments.lines());
    groups(code.zip(comments).enumerate().map(|(at, (code, comment))| {
        let comment = comment.trim();
        let marker = match () {
            () if comment.starts_with("////") => "",
            () if comment.starts_with("///") => "///",
            () if comment.starts_with("//!") => "//!",
            () if comment.starts_with("//") && code.trim().is_empty() => "//",
            // Beside code: never joined with the line above.
            () if comment.starts_with("//") => "code //",
            () => "",
        };
        let text = comment.trim_start_matches('/');
        let text = if marker == "//!" { &text[1..] } else { text };
        (at + 1, marker, text)
    }))
}

/// Joins adjacent lines with the same marker; empty marks no comment.
fn groups<'a>(lines: impl Iterator<Item = (usize, &'a str, &'a str)>) -> Vec<Block> {
    let mut found = Vec::new();
    let (mut group, mut kind): (Vec<(usize, &str)>, _) = (Vec::new(), "");
    for (at, marker, text) in lines.chain([(0, "", "")]) {
        if marker != kind || marker == "code //" {
            let mut blocks = markdown(group.drain(..));
            if let Some(first) = blocks.first_mut() {
                first.summary = kind == "///" || kind == "//!";
            }
            found.append(&mut blocks);
            kind = marker;
        }
        if !marker.is_empty() {
            group.push((at, text));
        }
    }
    found
}

/// The blocks of Markdown, without code and link targets.
fn markdown<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Block> {
    let mut found = vec![Block::default()];
    let mut fenced = false;
    for (at, line) in lines {
        let line = line.trim().trim_start_matches("> ");
        if line.starts_with("```") || line.starts_with("~~~") {
            fenced = !fenced;
            found.push(Block::default());
            continue;
        }
        if fenced || line.starts_with("<!--") {
            continue;
        }
        let target = line.starts_with('[') && line.contains("]: ");
        if line.is_empty() || target {
            found.push(Block::default());
        } else if let Some(row) = line.strip_prefix('|') {
            for cell in row.split('|').map(str::trim) {
                found.push(block(at, cell));
            }
            found.push(Block::default());
        } else if line.starts_with('#') {
            found.push(block(at, line.trim_start_matches('#').trim()));
            found.push(Block::default());
        } else if let Some(item) = list_item(line) {
            found.push(block(at, item));
        } else if let Some(open) = found.last_mut() {
            open.lines.push((at, line.to_owned()));
        }
    }
    found.retain(|block| block.lines.iter().any(|(_, text)| !text.is_empty()));
    found
}

fn block(line: usize, text: &str) -> Block {
    Block {
        lines: vec![(line, text.to_owned())],
        summary: false,
    }
}

/// The text of a list item, bulleted or numbered.
fn list_item(line: &str) -> Option<&str> {
    let bullet = ["- ", "* ", "+ "]
        .iter()
        .find_map(|mark| line.strip_prefix(mark));
    let numbered = || {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "));
        rest.filter(|_| line.starts_with(|c: char| c.is_ascii_digit()))
    };
    bullet.or_else(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, text: &str) -> Vec<String> {
        let join = |block: Block| {
            let lines: Vec<String> = block.lines.into_iter().map(|(_, text)| text).collect();
            lines.join(" / ").trim().to_owned()
        };
        blocks(path, text).into_iter().map(join).collect()
    }

    #[test]
    fn comment_lines_of_one_kind_are_joined() {
        let text = "//! A\n//! b.\n//!\n//! C.\nfn f() {} // d\nlet x = 1; // e\n// F\n// g\n";
        let expected = ["A /  b.", "C.", "d", "e", "F /  g"].map(|text| text.replace("  ", " "));
        assert_eq!(texts("a.rs", text), expected);
    }

    #[test]
    fn first_block_of_doc_comment_is_summary() {
        let all = blocks("a.rs", "/// A.\n///\n/// B.\nstruct C;\n// D.\n");
        let summaries: Vec<bool> = all.iter().map(|block| block.summary).collect();
        assert_eq!(summaries, [true, false, false]);
        assert_eq!(all[1].lines[0].0, 3);
    }

    #[test]
    fn markdown_pieces_are_blocks_without_code() {
        let text = "# A\nb\nc\n\n- d\n  e\n1. f\n| g | h |\n```\ncode\n```\n[x]: y\n> i\n";
        let expected = ["A", "b / c", "d / e", "f", "g", "h", "i"];
        assert_eq!(texts("a.md", text), expected);
    }

    #[test]
    fn hash_comments_are_read_from_known_files_only() {
        let text = "# A\n# b\n[c]\nd = 1 # e\n";
        assert_eq!(texts("a.toml", text), ["A / b"]);
        assert!(blocks("a.json", text).is_empty());
    }
}
