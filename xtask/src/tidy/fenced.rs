//! Dependencies that one file alone may use, so that they are replaceable.

use super::source::{split, tokens};
use super::Finding;

/// A crate, and the only file that may name it.
const FENCED: &[(&str, &str)] = &[("rustls_pemfile", "crates/transport-tls/src/pem.rs")];

/// Finds uses of a fenced crate in other files.
pub(super) fn uses(path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let code = split(text).code;
    let mut found = Vec::new();
    for (line, word) in tokens(&code) {
        let fence = FENCED.iter().find(|(name, _)| *name == word);
        found.extend(fence.filter(|(_, only)| *only != path).map(|(_, only)| {
            let what = format!("only {only} may use `{word}`: call its functions");
            Finding::new(path, line, what)
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fenced_crate_elsewhere_is_found() {
        for &(name, only) in FENCED {
            let text = format!("// {name}\nuse {name}::Item;\n");
            assert!(uses(only, &text).is_empty());
            assert_eq!(uses("crates/a/src/lib.rs", &text)[0].line, 2);
            assert!(uses("Cargo.toml", &text).is_empty());
            let mentioned = format!("// {name}\nlet x = \"{name}\";");
            assert!(uses("a.rs", &mentioned).is_empty());
        }
    }
}
