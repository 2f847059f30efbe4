//! A parser of the documents.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A document.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) text: String,
}

/// A code block, or a code span in backticks.
#[derive(Debug, PartialEq)]
pub(super) struct Code {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) is_block: bool,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: usize,
    header: Vec<String>,
    cells: Vec<String>,
}

impl Row {
    /// Returns the cell of the column with this header.
    pub(super) fn cell(&self, column: &str) -> Option<&str> {
        let at = self.header.iter().position(|name| name == column)?;
        Some(self.cells.get(at).map_or("", String::as_str))
    }
}

/// Returns every document in `docs/`.
pub(super) fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for folder in ["", "reports/"] {
        for entry in std::fs::read_dir(root().join("docs").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                let name = path.file_name().unwrap().to_str().unwrap();
                pages.push(page(&format!("{folder}{name}")));
            }
        }
    }
    assert!(pages.len() >= 10, "{}", pages.len());
    pages
}

/// Returns the document of this name.
pub(super) fn page(name: &str) -> Page {
    Page {
        name: name.to_owned(),
        text: std::fs::read_to_string(root().join("docs").join(name)).unwrap(),
    }
}

/// Returns the words, without enclosing punctuation.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "`()[],;'".contains(c))
        .filter(|word| !word.is_empty())
}

/// Returns the code spans.
pub(super) fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

impl Page {
    /// Returns the numbered lines, without generated output.
    ///
    /// That is the last column but two of the drills.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_generated = self.name == "reports/DRILLS.md";
        let written = move |line: &'_ str| match line.match_indices(" | ").nth(3) {
            Some((at, _)) if is_generated => at,
            _ => line.len(),
        };
        let lines = (1..).zip(self.text.lines());
        lines.map(move |(number, line)| (number, &line[..written(line)]))
    }

    /// Returns all code of the document.
    pub(super) fn code(&self) -> Vec<Code> {
        let mut found = Vec::new();
        let mut in_block = false;
        for (line, text) in (1..).zip(self.text.lines()) {
            if text.trim_start().starts_with("```") {
                in_block = !in_block;
                continue;
            }
            let code = |text: &str| Code {
                line,
                text: text.to_owned(),
                is_block: in_block,
            };
            if in_block {
                found.push(code(text));
            } else {
                assert!(
                    text.matches('`').count() % 2 == 0,
                    "{}:{line}: code span continues in the next line: {text}",
                    self.name
                );
                found.extend(spans(text).map(code));
            }
        }
        found
    }

    /// Returns the rows of all tables.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut header: Option<Vec<String>> = None;
        for (line, text) in (1..).zip(self.text.lines()) {
            let Some(text) = text.strip_prefix('|') else {
                header = None;
                continue;
            };
            let cells = cells(text);
            match &header {
                None => header = Some(cells),
                Some(_) if text.starts_with("---") => {}
                Some(header) => {
                    assert_eq!(cells.len(), header.len(), "{}:{line}: {text}", self.name);
                    let header = header.clone();
                    rows.push(Row {
                        line,
                        header,
                        cells,
                    });
                }
            }
        }
        rows
    }
}

fn cells(text: &str) -> Vec<String> {
    let text = text.trim_end().trim_end_matches('|').replace("\\|", "\0");
    let cells = text.split('|');
    cells.map(|cell| cell.trim().replace('\0', "|")).collect()
}

#[test]
fn code_and_tables_are_parsed() {
    let page = Page {
        name: "x.md".to_owned(),
        text: "a `b` c\n```sh\nd e\n```\n| one | two |\n|---|---|\n| `1\\|2` | 3 |\n\nend `f`\n"
            .to_owned(),
    };
    let texts: Vec<_> = page.code().into_iter().map(|code| code.text).collect();
    assert_eq!(texts, ["b", "d e", "1\\|2", "f"]);
    let rows = page.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].cell("two"), Some("3"));
    assert_eq!(rows[0].cell("one"), Some("`1|2`"));
    assert_eq!(rows[0].cell("three"), None);
    assert_eq!(rows[0].line, 7);
}
