//! Which module of a crate each `crate::` or `super::` path leads to.

use std::collections::{BTreeMap, BTreeSet};

use super::super::source::{is_word, tokens, Token};

/// A file of a crate, as far as its imports go.
pub(super) struct Module {
    pub(super) path: String,
    /// The names of the module, from the crate's root.
    names: Vec<String>,
    /// Absolute paths that its code names.
    uses: Vec<Vec<String>>,
    /// Absolute paths behind names that it imports from its own children.
    reexports: BTreeMap<String, Vec<String>>,
}

impl Module {
    /// Reads code without comments and tests.
    pub(super) fn parse(path: &str, names: Vec<String>, code: &str) -> Self {
        let tokens = tokens(code);
        let mut module = Self {
            path: path.into(),
            names,
            uses: Vec::new(),
            reexports: BTreeMap::new(),
        };
        let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
        // For each open brace, whether it opens an inline module.
        let (mut open, mut inline) = (Vec::new(), false);
        for at in 0..tokens.len() {
            let before = at.checked_sub(1).map_or("", word);
            match word(at) {
                "mod" if word(at + 2) == "{" => inline = true,
                "{" => open.push(std::mem::take(&mut inline)),
                "}" => drop(open.pop()),
                "crate" if matches!(before, "$" | "in" | ":") => {}
                "super" if before == ":" => {}
                "crate" | "super" if is_separator(&tokens, at + 1) => {
                    let depth = open.iter().filter(|&&inline| inline).count();
                    module.add(&tokens, at, depth);
                }
                "use" if !matches!(word(at + 1), "crate" | "super" | "<" | ":") => {
                    module.add_reexports(&tokens, at + 1);
                }
                _ => {}
            }
        }
        module
    }

    /// Adds the paths that start at `at`, inside of `depth` inline modules.
    fn add(&mut self, tokens: &[Token], at: usize, depth: usize) {
        for (path, _) in tree(tokens, at) {
            let supers = path.iter().take_while(|name| *name == "super").count();
            let base = if supers > 0 {
                let up = supers.saturating_sub(depth);
                &self.names[..self.names.len().saturating_sub(up)]
            } else {
                &[]
            };
            let rest = path.iter().skip(supers.max(1));
            self.uses.push(base.iter().chain(rest).cloned().collect());
        }
    }

    fn add_reexports(&mut self, tokens: &[Token], at: usize) {
        for (path, name) in tree(tokens, at) {
            let own = path.iter().skip(usize::from(path[0] == "self"));
            let absolute = self.names.iter().chain(own).cloned().collect();
            self.reexports.insert(name, absolute);
        }
    }
}

/// For each module, those that it uses.
pub(super) fn edges(modules: &[Module]) -> Vec<BTreeSet<usize>> {
    let by_names: BTreeMap<&[String], usize> = modules
        .iter()
        .enumerate()
        .map(|(at, module)| (&module.names[..], at))
        .collect();
    let all = modules.iter().enumerate().map(|(from, module)| {
        let targets = module.uses.iter().filter_map(|path| {
            let to = resolve(modules, &by_names, path, 0)?;
            (to != from).then_some(to)
        });
        targets.collect()
    });
    all.collect()
}

/// The deepest module on a path; a re-export leads to its target.
fn resolve(
    modules: &[Module],
    by_names: &BTreeMap<&[String], usize>,
    path: &[String],
    hops: usize,
) -> Option<usize> {
    let (at, len) = (0..=path.len())
        .rev()
        .find_map(|len| Some((*by_names.get(&path[..len])?, len)))?;
    let behind = path
        .get(len)
        .and_then(|name| modules[at].reexports.get(name));
    match behind {
        // A name of another crate leads back here.
        Some(behind) if hops < 8 => {
            let to = resolve(modules, by_names, behind, hops + 1)?;
            Some(if modules[to].names.starts_with(&modules[at].names) {
                to
            } else {
                at
            })
        }
        _ => Some(at),
    }
}

/// The paths of a `use` tree or an expression, with names.
fn tree(tokens: &[Token], at: usize) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let _ = branch(tokens, at, &[], &mut found);
    found
}

/// Reads one branch and returns the place behind it.
fn branch(
    tokens: &[Token],
    mut at: usize,
    above: &[String],
    found: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut path = above.to_vec();
    loop {
        if word(at) == "{" {
            at += 1;
            while !matches!(word(at), "}" | "") {
                at = branch(tokens, at, &path, found);
                if word(at) == "," {
                    at += 1;
                } else if word(at) != "}" {
                    return at;
                }
            }
            return at + 1;
        }
        if !word(at).starts_with(is_word) {
            break;
        }
        path.push(word(at).to_owned());
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    if word(at) == "*" {
        at += 1;
    }
    if path.len() > above.len() && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if word(at) == "as" {
        name = word(at + 1).to_owned();
        at += 2;
    }
    if !path.is_empty() {
        found.push((path, name));
    }
    at
}

/// True where `::` stands at this place.
fn is_separator(tokens: &[Token], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    word(at) == ":" && word(at + 1) == ":"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<String> {
        let module = Module::parse("x", vec!["m".into(), "n".into()], code);
        module.uses.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn paths_are_absolute() {
        assert_eq!(
            paths("use crate::a::{B, c::{self, D}, e::*};"),
            ["a::B", "a::c", "a::c::D", "a::e"]
        );
        assert_eq!(paths("use super::x; use super::super::y;"), ["m::x", "y"]);
        assert_eq!(
            paths("fn f() { crate::a::g(super::h::<u8>()) }"),
            ["a::g", "m::h"]
        );
        assert_eq!(
            paths("pub(crate) fn f() {} pub(in crate::m) struct A;"),
            [""; 0]
        );
    }

    #[test]
    fn reexport_keeps_its_new_name() {
        let module = Module::parse("x", vec!["m".into()], "pub use a::{B as C, d};");
        assert_eq!(module.reexports["C"], ["m", "a", "B"]);
        assert_eq!(module.reexports["d"], ["m", "a", "d"]);
    }
}
