//! The help text.

use super::table::{COMMANDS, FLAGS, KEY_FLAGS};

/// The column of the explanations, and the longest line.
const COLUMN: usize = 32;
const WIDTH: usize = 100;

/// The sections below the options: heading and text.
///
/// The manual page has them too.
pub(crate) const NOTES: &[(&str, &str)] = &[
    (
        "TARGET",
        "tcp://host:port | tls://host:port | unix:///path | tor://host:port | tls+tor://host:port\n\
         (a scheme that this build lacks is rejected; the error names its feature)",
    ),
    (
        "WHAT",
        "man, man-toml (the configuration), bash, zsh or fish",
    ),
    (
        "Precedence",
        "flags, environment (RON_TRANSPORT_<KEY>, RON_GATEWAY_<KEY>), file, defaults. By default \
         the service echoes on 127.0.0.1:9444 and serves its admin endpoint on 127.0.0.1:9909. \
         `check` lists every key.",
    ),
    (
        "Signals",
        "SIGTERM and SIGINT drain connections for up to drain_timeout; a second one exits at once. \
         SIGHUP reloads the configuration; an invalid configuration changes nothing.",
    ),
    (
        "Exit codes",
        "0 success, 1 failure at run time (or an interrupted drain), 2 invalid configuration or \
         command line.",
    ),
];

/// Returns the text of `--help`.
pub(super) fn text() -> String {
    let mut out = String::from(
        "ron-gateway: a guarded layer-4 gateway\n\nUsage:\n  \
         ron-gateway [OPTIONS]                 run the service\n",
    );
    for command in COMMANDS {
        let argument = command.argument.map(|name| format!(" {name}"));
        let call = format!(
            "ron-gateway {}{} [OPTIONS]",
            command.name,
            argument.unwrap_or_default()
        );
        out += &format!("  {call:<38}{}\n", command.help);
    }
    out += "\nOptions:\n";
    let (last, first) = (&FLAGS[FLAGS.len() - 2..], &FLAGS[..FLAGS.len() - 2]);
    let own = |flag: &super::table::CliFlag| {
        let short = flag.short.map(|short| format!("{short}, "));
        let value = flag.value.map(|value| format!(" {value}"));
        let (short, value) = (short.unwrap_or_default(), value.unwrap_or_default());
        (format!("{short}{}{value}", flag.long), flag.help)
    };
    let keys = KEY_FLAGS
        .iter()
        .map(|(name, help)| ((*name).to_owned(), *help));
    for (name, help) in first
        .iter()
        .map(own)
        .chain(keys)
        .chain(last.iter().map(own))
    {
        out += &option(&name, help);
    }
    for (heading, text) in NOTES {
        out.push('\n');
        for line in format!("{heading}: {text}").split('\n') {
            out += &wrap(line, WIDTH).join("\n");
            out.push('\n');
        }
    }
    out
}

fn option(name: &str, help: &str) -> String {
    let lines = wrap(help, WIDTH - COLUMN);
    let rest = format!("\n{:COLUMN$}", "");
    format!(
        "  {name:<width$}{}\n",
        lines.join(&rest),
        width = COLUMN - 2
    )
}

/// Breaks a text between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_flag_and_command() {
        let text = text();
        let flags = FLAGS.iter().map(|flag| flag.long);
        for name in flags.chain(COMMANDS.iter().map(|command| command.name)) {
            assert!(text.contains(name), "{name}");
        }
        let short = FLAGS.iter().filter_map(|flag| flag.short);
        assert_eq!(short.filter(|short| text.contains(short)).count(), 2);
    }

    #[test]
    fn lines_fit_and_columns_align() {
        let text = text();
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        let options = text.lines().filter(|line| line.starts_with("  -"));
        for line in options {
            assert_eq!(line.as_bytes()[COLUMN - 1], b' ', "{line}");
            assert_ne!(line.as_bytes()[COLUMN], b' ', "{line}");
        }
    }
}
