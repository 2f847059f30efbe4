//! Manifests inherit the lints and explain every dependency.

use super::Finding;

/// Finds crates that do not inherit the workspace's lints.
pub(super) fn lints(path: &str, text: &str) -> Vec<Finding> {
    let member = path == "xtask/Cargo.toml"
        || ["crates/", "testing/", "benches/"]
            .iter()
            .any(|dir| path.starts_with(dir))
            && path.ends_with("/Cargo.toml");
    let inherits = entries(text).any(|entry| {
        entry.table == "lints" && entry.key == "workspace" && entry.value == "true"
            || entry.table.is_empty() && entry.key == "lints.workspace" && entry.value == "true"
    });
    if !member || inherits {
        return Vec::new();
    }
    vec![Finding::new(
        path,
        1,
        "workspace lints are not inherited: add `[lints] workspace = true`",
    )]
}

/// Finds outside dependencies without a comment on them or their group.
///
/// A group ends at an empty line. Crates of the workspace, named by `path`, need no reason.
pub(super) fn reasons(path: &str, text: &str) -> Vec<Finding> {
    if path != "Cargo.toml" {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for entry in entries(text).filter(|entry| entry.table == "workspace.dependencies") {
        let above = lines[..entry.line - 1].iter().rev();
        let explained = above
            .take_while(|line| !line.is_empty() && !line.starts_with('['))
            .any(|line| line.starts_with('#'));
        if !explained && !entry.value.contains("path =") {
            let what = format!("`{}` has no comment with its reason", entry.key);
            found.push(Finding::new(path, entry.line, what));
        }
    }
    found
}

/// A `key = value` line.
struct Entry<'a> {
    table: &'a str,
    key: &'a str,
    value: &'a str,
    line: usize,
}

/// The entries of a manifest, without lines inside of longer values.
fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let (mut table, mut open) = ("", 0_usize);
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.trim();
        let inside = open > 0;
        if line.starts_with('#') {
            return None;
        }
        if !inside && line.starts_with('[') {
            table = line.trim_matches(['[', ']']);
            return None;
        }
        open = (open + line.matches(['[', '{']).count())
            .saturating_sub(line.matches([']', '}']).count());
        let (key, value) = line.split_once('=')?;
        let entry = Entry {
            table,
            key: key.trim(),
            value: value.trim(),
            line: at + 1,
        };
        (!inside).then_some(entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_without_lints_is_found() {
        let path = "crates/a/Cargo.toml";
        assert!(lints(path, "[package]\n[lints]\nworkspace = true\n").is_empty());
        assert!(lints(path, "lints.workspace = true\n[package]\n").is_empty());
        assert_eq!(lints(path, "[package]\nname = \"a\"\n").len(), 1);
        assert_eq!(lints(path, "[lints]\nworkspace = false\n").len(), 1);
        assert_eq!(lints(path, "[dependencies]\nworkspace = true\n").len(), 1);
        assert_eq!(lints("xtask/Cargo.toml", "").len(), 1);
        assert!(lints("Cargo.toml", "[workspace]\n").is_empty());
    }

    #[test]
    fn dependency_without_reason_is_found() {
        let text = "[workspace.dependencies]\nours = { path = \"crates/ours\" }\n\n\
                    # Why a.\na = \"1\"\nb = { version = \"1\", features = [\n    \"x\",\n] }\n\n\
                    c = \"1\"\n\n[workspace.lints.rust]\nd = \"1\"\n";
        let found = reasons("Cargo.toml", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].what.contains("`c`") && found[0].line == 10,
            "{found:?}"
        );
        assert!(reasons("crates/a/Cargo.toml", text).is_empty());
    }

    #[test]
    fn comment_above_table_is_no_reason() {
        let text = "# Dependencies.\n[workspace.dependencies]\na = \"1\"\n";
        assert_eq!(reasons("Cargo.toml", text).len(), 1);
    }
}
