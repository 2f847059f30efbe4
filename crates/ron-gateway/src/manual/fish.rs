//! Completions for fish.

use super::candidates::{candidates, generated_words, FlagValues};
use crate::cli::COMMANDS;

/// Returns the script.
pub(super) fn text() -> String {
    let mut out = String::from(
        "# Completions of ron-gateway for fish: output of `ron-gateway generate fish`.\n\n\
         complete -c ron-gateway -f\n",
    );
    for command in COMMANDS {
        out += &format!(
            "complete -c ron-gateway -n __fish_use_subcommand -a {} -d {}\n",
            command.name,
            quoted(command.help)
        );
    }
    out += &format!(
        "complete -c ron-gateway -n '__fish_seen_subcommand_from generate' -a {}\n",
        quoted(&generated_words())
    );
    for candidate in candidates() {
        let short = candidate.short.map(|short| format!(" -s {}", &short[1..]));
        let values = match &candidate.values {
            FlagValues::None => String::new(),
            FlagValues::Words(words) => format!(" -x -a {}", quoted(&words.join(" "))),
            FlagValues::Path => " -r -F".to_owned(),
            FlagValues::Text => " -x".to_owned(),
        };
        out += &format!(
            "complete -c ron-gateway{} -l {}{values} -d {}\n",
            short.unwrap_or_default(),
            &candidate.long[2..],
            quoted(&candidate.help)
        );
    }
    out
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
