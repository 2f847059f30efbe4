//! Completions for zsh.

use super::candidates::{candidates, generated_words, Candidate, FlagValues};
use crate::cli::COMMANDS;

/// Returns the script.
pub(super) fn text() -> String {
    let mut out = String::from(
        "#compdef ron-gateway\n\
         # Completions of ron-gateway for zsh: output of `ron-gateway generate zsh`.\n\n\
         _ron_gateway() {\n    \
             local curcontext=$curcontext state line\n    \
             local -A opt_args\n    \
             _arguments -S -C \\\n",
    );
    for candidate in candidates() {
        out += &format!("        {} \\\n", spec(&candidate));
    }
    let commands = COMMANDS
        .iter()
        .map(|command| format!("{}\\:{}", command.name, quoted(command.help)));
    let commands: Vec<_> = commands.collect();
    out += &format!(
        "        '1:command:(({}))' \\\n        '2: :->argument'\n    \
             if [[ $state == argument && $line[1] == generate ]]; then\n        \
                 compadd -- {}\n    \
             fi\n}}\n\n\
         if [[ $funcstack[1] == _ron-gateway ]]; then\n    \
             _ron_gateway \"$@\"\nelse\n    \
             compdef _ron_gateway ron-gateway\nfi\n",
        commands.join(" "),
        generated_words(),
    );
    out
}

/// One argument of `_arguments`.
fn spec(candidate: &Candidate) -> String {
    let help = escaped(&candidate.help);
    let long = &candidate.long;
    let action = match &candidate.values {
        FlagValues::None => {
            return match candidate.short {
                Some(short) => format!("'({short} {long})'{{{short},{long}}}'[{help}]'"),
                None => format!("'{long}[{help}]'"),
            }
        }
        FlagValues::Words(words) => format!("value:({})", words.join(" ")),
        FlagValues::Path => "path:_files".to_owned(),
        FlagValues::Text => "value: ".to_owned(),
    };
    format!("'*{long}=[{help}]:{action}'")
}

/// Escapes the text between brackets, inside of single quotes.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace(']', "\\]");
    text.replace('[', "\\[").replace('\'', "'\\''")
}

/// Quotes a description in a list of words.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\\\\\").replace(':', "\\\\:");
    format!("\"{}\"", text.replace('"', "\\\"").replace('\'', "'\\''"))
}
