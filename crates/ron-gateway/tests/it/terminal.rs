//! The log on a terminal: text, in colour unless `NO_COLOR` is set.

use std::net::TcpListener;
use std::process::Stdio;

use crate::common::{command, PROGRAM};

/// Runs a gateway that cannot bind, on a terminal of `script`.
///
/// Returns its output; `None` without that program.
fn on_terminal(args: &str, env: &[(&str, &str)]) -> Option<String> {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let line = format!("'{PROGRAM}' --transport.bind-addr {addr} --admin '' {args}");
    let mut script = command("script");
    script.args(["-qec", &line, "/dev/null"]);
    script.env_remove("NO_COLOR").envs(env.iter().copied());
    let Ok(output) = script.stdin(Stdio::null()).output() else {
        eprintln!("SKIPPED: no script");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("cannot bind {addr}")), "{text}");
    Some(text)
}

#[test]
fn terminal_has_text_in_colour() {
    let Some(text) = on_terminal("", &[]) else {
        return;
    };
    let parts = [
        "\u{1b}[32m INFO\u{1b}[0m \u{1b}[2mron_transport:\u{1b}[0m",
        "\u{1b}[2mreason=\u{1b}[0mbind_failed",
    ];
    for part in parts {
        assert!(text.contains(part), "{text:?}");
    }
}

#[test]
fn no_color_and_format_are_obeyed() {
    for (args, env, part) in [
        (
            "",
            &[("NO_COLOR", "1")][..],
            "Z  INFO ron_transport: event=ready ",
        ),
        (
            "--gateway.log.format logfmt",
            &[],
            " level=info target=ron_transport event=ready ",
        ),
        (
            "--gateway.log.format json",
            &[],
            r#""level":"info","target":"ron_transport","event":"ready""#,
        ),
    ] {
        let Some(text) = on_terminal(args, env) else {
            return;
        };
        assert!(text.contains(part), "{args}: {text:?}");
        assert!(!text.contains('\u{1b}'), "{args}: {text:?}");
    }
}
