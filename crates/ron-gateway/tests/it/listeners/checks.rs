//! `check` with several listeners.

use std::fs;

use super::TWO;
use crate::common::run;

#[test]
fn conflicting_addresses_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        let (code, _, error) = run(&["check", "--config", file.to_str().unwrap()], &[]);
        assert_eq!(code, 2, "{error}");
        error
    };
    let two = |second: &str| {
        format!("[listeners.a]\nbind_addr = '127.0.0.1:7001'\n[listeners.b]\n{second}\n")
    };
    let error = check(&two("bind_addr = '0.0.0.0:7001'"));
    assert!(error.contains("listeners.b.bind_addr") && error.contains("listeners.a.bind_addr"));
    let error = check(&two("bind_addr = '127.0.0.1:9909'"));
    assert!(error.contains("gateway.admin_addr"), "{error}");
    let loops =
        "bind_addr = '127.0.0.1:7002'\nmode = 'forward'\nforward_to = 'tcp://localhost:7001'";
    let error = check(&two(loops));
    assert!(
        error.contains("listeners.b.forward_to") && error.contains("itself"),
        "{error}"
    );
    let error = check(&two("bind_addr = '127.0.0.1:7002'\nmode = 'forward'"));
    assert!(error.contains("listeners.b.mode"), "{error}");
}

#[test]
fn check_prints_each_listener() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, TWO.replace("127.0.0.1:0'\nm", "127.0.0.1:7002'\nm")).unwrap();
    let path = file.to_str().unwrap();
    let env = [("RON_LISTENERS_PUBLIC_READ_TIMEOUT", "7s")];
    let flag = ["--listeners.private.idle-timeout", "90s"];
    let args = [&["check", "--config", path][..], &flag].concat();
    let (code, out, error) = run(&args, &env);
    assert_eq!((code, error.as_str()), (0, ""));
    let (_, private) = out.split_once("[listeners.private]").unwrap();
    let (private, public) = private.split_once("[listeners.public]").unwrap();
    let line = |table: &str, key: &str| {
        let line = table.lines().find(|line| line.starts_with(key));
        line.unwrap_or_else(|| panic!("no {key} in {table}"))
            .to_owned()
    };
    assert!(line(private, "idle_timeout").contains("90s"));
    assert!(line(private, "idle_timeout").ends_with("flag --listeners.private.idle-timeout"));
    assert!(line(public, "read_timeout").ends_with("RON_LISTENERS_PUBLIC_READ_TIMEOUT"));
    assert!(line(private, "mode").contains("echo_frames"));
    assert!(!private.contains("max_conns"), "{private}");
    // The printed configuration loads and prints the same.
    fs::write(&file, &out).unwrap();
    let (code, again, _) = run(&["check", "--config", path], &[]);
    let values = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.split("  # ").next().unwrap().trim_end().to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!((code, values(&again)), (0, values(&out)));
    for (args, env, named) in [
        (
            &["--listeners.x.nothing", "1"][..],
            ("A", "1"),
            "--listeners.x.nothing",
        ),
        (&["--listeners.x", "1"], ("A", "1"), "a name is missing"),
        (
            &[],
            ("RON_LISTENERS_OTHER_MODE", "echo"),
            "RON_LISTENERS_OTHER_MODE",
        ),
        (
            &[],
            ("RON_LISTENERS_PUBLIC_MODES", "echo"),
            "RON_LISTENERS_PUBLIC_MODE",
        ),
    ] {
        let args = [&["check", "--config", path][..], args].concat();
        let (code, _, error) = run(&args, &[env]);
        assert!(code == 2 && error.contains(named), "{error}");
    }
}
