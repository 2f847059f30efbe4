//! `transport-tcp` alone compiles no TLS, Arti, `config` or exporter.

use crate::cmd::{capture, Cx};

/// Forbidden dependencies of `transport-tcp`; a trailing `*` matches any ending.
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

/// Returns the forbidden packages that `transport-tcp` compiles.
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
            "cargo tree does not start with transport-tcp: {tree:?}"
        ));
    }
    Ok(forbidden(&tree))
}

/// The forbidden packages in the output of `cargo tree`.
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
    bad.map(|name| format!("transport-tcp compiles {name}: remove it from the slim build"))
        .collect()
}

fn fits(rule: &str, name: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => rule == name,
    }
}
