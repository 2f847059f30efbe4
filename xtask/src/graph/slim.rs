//! A service that wants TCP alone compiles no TLS, no Arti, no `config`, no exporter.

use crate::cmd::{capture, Cx};

/// Packages that a slim `transport-tcp` must not bring; a trailing `*` stands for any ending.
const FORBIDDEN: &[&str] = &[
    "rustls*",
    "tokio-rustls",
    "aws-lc-*",
    "ring",
    "arti*",
    "tor-*",
    "config",
    "metrics-exporter-prometheus",
    "hyper",
];

/// Asks cargo what `transport-tcp` compiles and returns what it should not.
pub(super) fn run(cx: &Cx) -> Result<Vec<String>, String> {
    let tree = capture(
        cx.cargo([
            "tree",
            "-p",
            "transport-tcp",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}", "--target", "x86_64-unknown-linux-gnu"]),
    )?;
    if !tree.starts_with("transport-tcp ") {
        return Err(format!(
            "cargo tree did not begin with transport-tcp: {tree:?}"
        ));
    }
    Ok(forbidden(&tree))
}

/// The forbidden packages in what `cargo tree` printed, `name vX.Y.Z …` a line.
pub(super) fn forbidden(tree: &str) -> Vec<String> {
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.sort_unstable();
    names.dedup();
    let bad = names
        .into_iter()
        .filter(|name| FORBIDDEN.iter().any(|rule| fits(rule, name)));
    bad.map(|name| format!("transport-tcp compiles {name}: a slim build must not"))
        .collect()
}

fn fits(rule: &str, name: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => rule == name,
    }
}
