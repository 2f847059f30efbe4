//! Finds the programs in a Markdown text.

/// A program and its dependencies, as printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// Line of the opening fence, from 1.
    pub(super) line: usize,
    /// The nearest `toml` block above, with `[dependencies]`.
    pub(super) dependencies: String,
    pub(super) source: String,
}

/// A fenced block.
struct Block {
    line: usize,
    language: String,
    text: String,
}

/// Returns the `rust` blocks, each with the `[dependencies]` block above it.
pub(super) fn programs(markdown: &str) -> Result<Vec<Program>, String> {
    let mut dependencies = None;
    let mut programs = Vec::new();
    for Block {
        line,
        language,
        text,
    } in blocks(markdown)?
    {
        match language.split(',').next().unwrap_or_default() {
            "toml" if text.starts_with("[dependencies]") => dependencies = Some(text),
            "rust" => {
                let wrong = |what| Err(format!("README.md line {line}: the program {what}"));
                if !text.contains("fn main()") {
                    return wrong("has no `fn main()`: print a complete program");
                }
                if text
                    .lines()
                    .any(|line| line == "#" || line.starts_with("# "))
                {
                    return wrong("has lines that rustdoc hides: print them");
                }
                let Some(dependencies) = dependencies.take() else {
                    return wrong("has no `[dependencies]` block above it");
                };
                programs.push(Program {
                    line,
                    dependencies,
                    source: text,
                });
            }
            _ => {}
        }
    }
    Ok(programs)
}

fn blocks(markdown: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, text) in markdown.lines().enumerate() {
        match (text.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block {
                    line: at + 1,
                    language: language.trim().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(text);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    match open {
        Some(block) => Err(format!(
            "README.md line {}: the block has no closing fence",
            block.line
        )),
        None => Ok(blocks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_with_dependencies_above() {
        let text =
            "# A\n```toml\n[dependencies]\na = \"1\"\n```\ntext\n```rust\nfn main() {}\n```\n";
        let found = programs(text).unwrap();
        let program = Program {
            line: 7,
            dependencies: "[dependencies]\na = \"1\"\n".into(),
            source: "fn main() {}\n".into(),
        };
        assert_eq!(found, [program]);
    }

    #[test]
    fn incomplete_programs_are_errors() {
        let with = |source: &str| {
            let text = format!("```toml\n[dependencies]\n```\n```rust\n{source}\n```\n");
            programs(&text).unwrap_err()
        };
        assert!(with("let a = 1;").contains("fn main()"));
        assert!(with("# hidden\nfn main() {}").contains("rustdoc hides"));
        let bare = programs("```rust\nfn main() {}\n```\n").unwrap_err();
        assert!(bare.contains("[dependencies]"), "{bare}");
        assert!(programs("```rust\n").is_err());
    }
}
