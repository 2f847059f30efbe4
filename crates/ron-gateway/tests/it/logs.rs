//! The log: lines can be searched and cannot be forged.

use std::io::{BufRead, Read, Write};

use crate::common::{connect, echoes, field, refuses, run, Gateway, Start};

#[test]
fn piped_output_is_logfmt() {
    let gateway = Gateway::start(&["--gateway.log.level", "debug"]);
    assert!(echoes(&mut connect(gateway.addr)));
    let close = gateway.line_with(&["event=close"]);
    for part in [
        " level=info ",
        " target=ron_transport ",
        " backend=tcp ",
        " reason=eof ",
    ] {
        assert!(close.contains(part), "{close}");
    }
    gateway.line_with(&["event=echo", "bytes=12"]);
    let id = field(&close, "conn_id").unwrap();
    let log = gateway.stop();
    assert!(!log.contains('\u{1b}'), "no colour in a pipe: {log}");
    let of_conn: Vec<_> = log
        .lines()
        .filter(|line| field(line, "conn_id") == Some(id))
        .collect();
    let events: Vec<_> = of_conn
        .iter()
        .filter_map(|line| field(line, "event"))
        .collect();
    for event in ["accept", "handshake", "echo", "close"] {
        assert!(events.contains(&event), "{log}");
    }
    for line in log.lines() {
        assert!(line.starts_with("ts=2"), "{line}");
        for name in [" conn_id=", " backend=", " event="] {
            assert!(line.matches(name).count() <= 1, "{line}");
        }
    }
}

/// Events have the connection's fields without its span.
#[test]
fn events_at_info_name_connection() {
    let gateway = Start::default()
        .args(&["--gateway.log.level", "info"])
        .args(&["--gateway.mode", "forward"])
        .args(&["--gateway.forward-to", "tcp://127.0.0.1:1"])
        .spawn();
    assert!(refuses(gateway.addr));
    for event in [
        "event=upstream",
        "event=dial",
        "event=reject",
        "event=close",
    ] {
        let line = gateway.line_with(&[event]);
        assert!(field(&line, "conn_id").is_some(), "{line}");
        assert_eq!(field(&line, "backend"), Some("tcp"), "{line}");
    }
}

#[test]
fn drain_loses_no_line() {
    let gateway = Gateway::start(&["--gateway.log.level", "info"]);
    // Below the sampling of closes.
    for _ in 0..80 {
        assert!(echoes(&mut connect(gateway.addr)));
    }
    let log = gateway.stop();
    let closes: Vec<_> = log
        .lines()
        .filter(|line| field(line, "event") == Some("close"))
        .collect();
    assert_eq!(closes.len(), 80, "{log}");
    let ids = closes.iter().map(|line| field(line, "conn_id").unwrap());
    let ids: std::collections::BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), 80, "{log}");
}

#[test]
fn json_lines_are_objects() {
    let start = Start::default()
        .args(&["--transport.bind-addr", "127.0.0.1:0", "--admin", ""])
        .env("RON_GATEWAY_LOG_FORMAT", "json");
    let (_process, mut log) = start.spawn_bare();
    loop {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(
            value["ts"].is_string() && value["level"] == "info",
            "{line}"
        );
        if value["event"] == "start" {
            assert_eq!(value["target"], "ron_gateway");
            break;
        }
    }
}

#[test]
fn file_name_cannot_forge_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a\nts=1 event=close\" conn_id=77 .toml");
    let mut file = std::fs::File::create(&path).unwrap();
    // A key outside its table causes a warning that names the file.
    file.write_all(b"max_conns = 5\n").unwrap();
    let gateway = Gateway::start(&["--config", path.to_str().unwrap()]);
    let warning = gateway.line_with(&["level=warn", "max_conns stands outside"]);
    assert!(warning.contains("msg=\""), "{warning}");
    let log = gateway.stop();
    assert!(log.lines().all(|line| line.starts_with("ts=2")), "{log}");
    assert!(
        !log.lines()
            .any(|line| field(line, "event") == Some("close")),
        "{log}"
    );
}

#[test]
fn unknown_level_or_format_is_rejected() {
    let (code, _, errors) = run(
        &["--gateway.log.format", "xml", "--gateway.log.level", "loud"],
        &[],
    );
    assert_eq!(code, 2);
    assert!(errors.contains("auto, text, logfmt or json"), "{errors}");
    assert!(
        errors.contains("error, warn, info, debug or trace"),
        "{errors}"
    );
}

#[test]
fn no_payload_is_logged_at_any_level() {
    for mode in ["--echo", "--echo-frames"] {
        let gateway = Gateway::start(&[mode, "--gateway.log.level", "trace"]);
        let mut conn = connect(gateway.addr);
        let secret = b"\0\0\0\x0dopen sesame 7";
        conn.write_all(secret).unwrap();
        conn.read_exact(&mut [0; 17]).unwrap();
        drop(conn);
        gateway.line_with(&["event=close"]);
        let log = gateway.stop();
        assert!(!log.contains("sesame"), "{log}");
        // Also not as a list of bytes.
        assert!(!log.contains("115, 101, 115"), "{log}");
    }
}
