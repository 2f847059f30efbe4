//! The manual page `ron-gateway(1)`.

use super::roff::Roff;
use crate::cli::{CliFlag, COMMANDS, FLAGS, KEY_FLAGS, NOTES};

/// Returns the page.
pub(super) fn text() -> String {
    let mut page = Roff::new("ron-gateway", 1, "User Commands");
    page.name(
        "ron-gateway",
        "guarded layer-4 gateway over TCP, TLS, Unix sockets and Tor",
    );
    page.heading("Synopsis");
    page.text("`ron-gateway` [OPTIONS]");
    for command in COMMANDS {
        let argument = command.argument.map(|name| format!(" {name}"));
        let argument = argument.unwrap_or_default();
        page.text(&format!(
            "\n`ron-gateway {}`{argument} [OPTIONS]",
            command.name
        ));
    }
    page.heading("Description");
    page.text(
        "Accepts connections, and echoes them or forwards each to a target, within limits for \
         connections, bytes per second, memory and time, in total and for each peer. It serves \
         metrics, health and a status page at its admin endpoint. `ron-gateway.toml`(5) describes \
         every key of the configuration.",
    );
    page.heading("Commands");
    page.text("Without a command the service runs.");
    for command in COMMANDS {
        let argument = command.argument.map(|name| format!(" {name}"));
        let term = format!("`{}`{}", command.name, argument.unwrap_or_default());
        page.term(&term, &sentence(command.help));
    }
    page.heading("Options");
    for flag in FLAGS {
        page.term(&flag_term(flag), &sentence(flag.help));
    }
    for (name, help) in KEY_FLAGS {
        page.term(&format!("`{name}`"), &sentence(help));
    }
    for (heading, text) in NOTES {
        page.heading(heading);
        page.text(text);
    }
    page.heading("Files");
    page.term(
        "`/etc/ron/gateway.toml`",
        "The configuration of the systemd unit. Without `--config` the program reads no file.",
    );
    page.heading("Examples");
    page.paragraph("Forward with the limits of a public address:");
    page.example(
        "ron-gateway --forward tcp://127.0.0.1:8080 \\\n    \
             --transport.bind-addr 0.0.0.0:9444 --transport.preset public",
    );
    page.paragraph("Validate a file and print each value with its source:");
    page.example("ron-gateway check --config /etc/ron/gateway.toml");
    page.paragraph("Install completions for the current user of bash:");
    page.example(
        "ron-gateway generate bash \\\n    \
             > ~/.local/share/bash-completion/completions/ron-gateway",
    );
    page.see(&[
        ("ron-gateway.toml", "5"),
        ("systemctl", "1"),
        ("systemd.socket", "5"),
    ]);
    page.into_text()
}

fn flag_term(flag: &CliFlag) -> String {
    let short = flag.short.map(|short| format!("`{short}`, "));
    let value = flag.value.map(|value| format!(" {value}"));
    let (short, value) = (short.unwrap_or_default(), value.unwrap_or_default());
    format!("{short}`{}`{value}", flag.long)
}

/// Begins with a capital and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        match at {
            0 => out.extend(c.to_uppercase()),
            _ => out.push(c),
        }
    }
    if !out.ends_with(['.', ')']) {
        out.push('.');
    }
    out
}
