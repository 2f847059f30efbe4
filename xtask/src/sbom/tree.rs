//! The output of `cargo tree` as a graph.

use std::collections::{BTreeMap, BTreeSet};

use super::Id;

/// The format of a line after the depth.
pub(super) const FORMAT: &str = "|{p}";

/// Packages with their dependencies.
#[derive(Debug, PartialEq)]
pub(super) struct Tree {
    pub(super) root: Id,
    pub(super) needs: BTreeMap<Id, BTreeSet<Id>>,
}

impl Tree {
    pub(super) fn packages(&self) -> BTreeSet<Id> {
        self.needs.keys().cloned().collect()
    }
}

/// Parses lines of depth, `|`, name, `v` and version.
///
/// Cargo prints the dependencies of a package only at its first occurrence.
pub(super) fn parse(text: &str) -> Result<Tree, String> {
    let mut needs: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let mut above: Vec<Id> = Vec::new();
    for line in text.lines() {
        let (depth, id) = package(line).ok_or(format!("cargo tree printed {line:?}"))?;
        if depth > above.len() {
            return Err(format!("cargo tree skipped a level at {line:?}"));
        }
        above.truncate(depth);
        if let Some(parent) = above.last() {
            needs.entry(parent.clone()).or_default().insert(id.clone());
        }
        needs.entry(id.clone()).or_default();
        above.push(id);
    }
    let root = above.into_iter().next();
    let root = root.ok_or("cargo tree printed nothing")?;
    Ok(Tree { root, needs })
}

fn package(line: &str) -> Option<(usize, Id)> {
    let (depth, package) = line.split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((depth.parse().ok()?, (name.into(), version.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        (name.into(), "1.0.0".into())
    }

    #[test]
    fn tree_is_read_as_a_graph() {
        let text = "0|a v1.0.0 (/x/a)\n1|b v1.0.0\n2|c v1.0.0 (proc-macro)\n1|c v1.0.0 (*)\n";
        let tree = parse(text).unwrap();
        assert_eq!(tree.root, id("a"));
        assert_eq!(tree.needs[&id("a")], [id("b"), id("c")].into());
        assert_eq!(tree.needs[&id("b")], [id("c")].into());
        assert!(tree.needs[&id("c")].is_empty());
        assert_eq!(tree.packages().len(), 3);
    }

    #[test]
    fn other_output_is_error() {
        for text in [
            "",
            "a v1.0.0",
            "0|a",
            "x|a v1.0.0",
            "0|a v1.0.0\n2|b v1.0.0",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
