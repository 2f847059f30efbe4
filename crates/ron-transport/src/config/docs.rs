//! The keys as a table for the manual.

use std::fmt::Write as _;

use transport_core::schema::Key;

use super::{Config, Preset, Settings};

/// The keys of `[transport]` as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    markdown_of::<Config>()
}

/// Returns the keys of a table as a Markdown table.
///
/// The columns are key, variable, flag, default, allowed values, reload and purpose.
#[must_use]
pub fn markdown_of<S: Settings>() -> String {
    let mut out = String::from(
        "| key | environment | flag | default | allowed | reload | effect |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let defaults = S::default();
    for key in S::all_keys() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", row(&defaults, key));
    }
    out
}

/// Returns the presets as a Markdown table.
///
/// It has each key that a preset changes, and its value in each preset.
#[must_use]
pub fn presets_markdown() -> String {
    let names = Preset::ALL.map(|preset| format!(" `{}` |", preset.as_str()));
    let mut out = format!(
        "| key |{}\n|---|{}\n",
        names.concat(),
        "---|".repeat(names.len())
    );
    for key in Config::keys() {
        let changes = |preset: Preset| preset.values().iter().any(|(path, _)| *path == key.path);
        if !Preset::ALL.into_iter().any(changes) {
            continue;
        }
        let value = |preset| {
            let value = Config::preset(preset).value(key.path);
            format!(" `{}` |", value.unwrap_or_default())
        };
        let values = Preset::ALL.map(value).concat();
        let _ = writeln!(out, "| `{}` |{values}", key.path);
    }
    out
}

fn row<S: Settings>(defaults: &S, key: &Key) -> String {
    let default = match defaults.value(key.path).unwrap_or_default() {
        text if text.is_empty() => "none".to_owned(),
        text => format!("`{text}`"),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    format!(
        "| `{}` | `{}` | `{}` | {} | {} | {} | {} |",
        key.path,
        S::env_name(key.path),
        S::flag_name(key.path),
        cell(&default),
        cell(&key.allowed()),
        key.reload.letter(),
        cell(key.doc),
    )
}
