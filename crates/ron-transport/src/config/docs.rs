//! The keys as a table for the manual.

use std::fmt::Write as _;

use transport_core::schema::Key;

use super::{Config, Settings};

/// The keys of `[transport]` as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    markdown_of::<Config>()
}

/// The keys of a table as a Markdown table: key, variable, flag, default, what is allowed, when a
/// change takes effect, what it does.
#[must_use]
pub fn markdown_of<S: Settings>() -> String {
    let mut out = String::from(
        "| key | environment | flag | default | allowed | reload | what it does |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for key in S::all_keys() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", row::<S>(key));
    }
    out
}

fn row<S: Settings>(key: &Key) -> String {
    let default = match key.default {
        "" => "none".to_owned(),
        text => format!("`{text}`"),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    format!(
        "| `{}` | `{}` | `{}` | {} | {} | {} | {} |",
        key.path,
        S::env_name(key.path),
        S::flag_name(key.path),
        cell(&default),
        cell(key.rule),
        key.reload.letter(),
        cell(key.doc),
    )
}
