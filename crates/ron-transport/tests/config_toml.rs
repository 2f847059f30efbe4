//! Shapes of TOML files.
//!
//! Each one is accepted, rejected or left to the embedder.

use std::io::Write;

use ron_transport::config::{Config, Loaded};
use transport_core::schema::Raw;

fn load(text: &str) -> Result<Loaded<Config>, String> {
    Config::loader()
        .toml_str(text, "t")
        .load()
        .map_err(|errors| errors.to_string())
}

fn refused(text: &str) -> String {
    match load(text) {
        Ok(loaded) => panic!("{text} gives {loaded:?}"),
        Err(errors) => errors,
    }
}

#[test]
fn numbers_booleans_and_quoted_paths() {
    let loaded = load(
        "[transport]\nmax_conns = 0x10\n\"limits.writer_inbox\" = 1_0\ntcp.nodelay = false\n\
         max_lifetime = 0\n[transport.rates]\nper_conn_bytes_per_sec = 1048576\n",
    )
    .unwrap();
    let config = loaded.settings();
    assert_eq!(config.limits.max_conns(), 16);
    assert_eq!(config.limits.writer_inbox(), 10);
    assert!(!config.tcp.nodelay());
    assert_eq!(config.limits.rates().per_conn, 1 << 20);
    let beyond_toml = load("transport.max_conns = 18446744073709551615").unwrap();
    assert_eq!(beyond_toml.settings().limits.max_conns(), u64::MAX);
}

#[test]
fn value_of_wrong_kind_names_expected_kind() {
    for (value, text) in [
        ("1.5", "= \"1.5\" (file t): expected a whole number"),
        ("1e3", "= \"1e3\" (file t): expected a whole number"),
        ("nan", "= \"nan\" (file t): expected a whole number"),
        ("-1", "= \"-1\" (file t): expected a whole number"),
        ("true", "= \"true\" (file t): expected a whole number"),
        (
            "1979-05-27T07:32:00Z",
            "= \"1979-05-27T07:32:00Z\" (file t): expected a whole number",
        ),
        (
            "[1, 2]",
            "= \"[1, 2]\" (file t): a single value is expected, not a list",
        ),
        (
            "[]",
            "= \"[]\" (file t): a single value is expected, not a list",
        ),
        ("[[1], {}]", "(file t): a list may hold single values only"),
        ("{ a = 1 }", "(file t): a value is expected, not a table"),
        ("{}", "(file t): a value is expected, not a table"),
        (
            "99999999999999999999999999999999999999999",
            "expected a whole number",
        ),
    ] {
        let errors = refused(&format!("[transport]\nmax_conns = {value}"));
        assert!(
            errors.contains("transport.max_conns") && errors.contains(text),
            "{errors}"
        );
    }
}

#[test]
fn table_of_wrong_shape_refused() {
    for (file, text) in [
        (
            "transport = 5",
            "transport (file t): must be one table: [transport]",
        ),
        (
            "[[transport]]\nmax_conns = 1",
            "transport (file t): must be one table: [transport]",
        ),
        (
            "[transport]\ntcp = 5",
            "transport.tcp (file t): is a table: write [transport.tcp]",
        ),
        (
            "[[transport.tcp]]\nbacklog = 1",
            "transport.tcp (file t): is a table",
        ),
        (
            "[transport.max_conns]",
            "transport.max_conns (file t): a value is expected",
        ),
        ("[transport.tpc]", "transport.tpc (file t): unknown key"),
        ("[transport]\n'' = 1", "transport. (file t): unknown key"),
        (
            "[transport]\nlimits.chunk_bytes = 4096\n\"limits.chunk_bytes\" = 8192",
            "transport.limits.chunk_bytes (file t): is set twice",
        ),
        (
            "[transport]\n'max_conns[0]' = 1",
            "transport.max_conns[0] (file t): unknown key",
        ),
        ("[transport]\n'a\nb' = 1", "not valid TOML"),
        (
            "[transport]\n\"a\\nb\" = 1",
            "transport.a\\nb (file t): unknown key",
        ),
    ] {
        let errors = refused(file);
        assert!(errors.contains(text), "{file}\n{errors}");
    }
}

#[test]
fn wrong_shape_below_another_layer() {
    let errors = Config::loader()
        .toml_str("[transport]\ntcp = 5", "t")
        .env([("RON_TRANSPORT_TCP_BACKLOG", "5")])
        .load()
        .unwrap_err();
    assert!(
        errors.to_string().contains("write [transport.tcp]"),
        "{errors}"
    );
}

#[test]
fn empty_tables_accepted() {
    for text in [
        "",
        "[transport]",
        "[transport.tcp]",
        "\u{feff}[transport]",
        "# nothing\r\n",
    ] {
        assert_eq!(
            *load(text).unwrap().settings(),
            Config::default(),
            "{text:?}"
        );
    }
}

#[test]
fn syntax_error_names_file_and_line() {
    let errors = refused("[transport]\nmax_conns = 5\nread_timeout = 5s-quoted\n");
    assert!(
        errors.contains("file t: line 3: not valid TOML: "),
        "{errors}"
    );
    assert!(!errors.contains("quoted"), "{errors}");
    for twice in [
        "[transport]\nmax_conns = 1\nmax_conns = 2",
        "[transport]\n[tcp]\n[transport]",
    ] {
        assert!(
            refused(twice).contains("line 3: not valid TOML: duplicate key"),
            "{twice}"
        );
    }
}

#[test]
fn other_tables_stay_readable() {
    let loaded = load(
        "title = 'x'\n\"transport.max_conns\" = 9\n\"a[99999999999]\" = 1\nlist = [1]\n\
         [gateway]\nmode = 'echo'\nlog.level = 'info'\nports = [1, 2]\nMIXED = true\n\
         [[gateway.routes]]\nto = 'a'\n[[gateway.routes]]\nto = 'b'\n[empty]\n[[many]]\nx = 1\n",
    )
    .unwrap();
    assert_eq!(*loaded.settings(), Config::default());
    assert_eq!(loaded.tables().collect::<Vec<_>>(), ["empty", "gateway"]);
    assert_eq!(loaded.table("empty"), Some(vec![]));
    assert_eq!(loaded.table("title"), None);
    assert_eq!(loaded.table("transport"), None);
    let want: [(&str, Raw); 6] = [
        ("MIXED", "true".into()),
        ("log.level", "info".into()),
        ("mode", "echo".into()),
        ("ports", Raw::List(vec!["1".into(), "2".into()])),
        ("routes.0.to", "a".into()),
        ("routes.1.to", "b".into()),
    ];
    let want = want.map(|(path, raw)| (path.to_owned(), raw));
    assert_eq!(loaded.table("gateway").unwrap(), want);
}

#[test]
fn key_outside_its_table_warns() {
    let loaded = load("max_conns = 5\n[tcp]\nbacklog = 1\nother = 2\n[Transport]\n").unwrap();
    assert_eq!(
        loaded.warnings(),
        [
            "file t: [Transport] is not [transport] and is not read",
            "file t: max_conns stands outside [transport] and has no effect on it",
            "file t: tcp.backlog stands outside [transport] and has no effect on it",
        ]
    );
}

/// Opening a pipe waits for a writer.
///
/// A second read finds the pipe empty.
#[test]
fn pipe_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let error = Config::loader().file(&fifo).load().unwrap_err().to_string();
    assert!(error.contains("cannot be read: it is a pipe"), "{error}");
}

#[test]
fn file_read_at_each_load() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ron.toml");
    let loader = Config::loader().file(&path);
    let error = |loader: &ron_transport::config::Loader| loader.load().unwrap_err().to_string();
    assert!(error(&loader).contains(&format!("file {}: cannot be read: No such", path.display())));

    std::fs::write(&path, "[transport]\nmax_conns = 5").unwrap();
    assert_eq!(loader.load().unwrap().settings().limits.max_conns(), 5);
    std::fs::write(&path, "[transport]\nmax_conns = 6").unwrap();
    assert_eq!(loader.load().unwrap().settings().limits.max_conns(), 6);

    std::fs::write(&path, b"[transport]\n# \xff").unwrap();
    assert!(error(&loader).contains("cannot be read: not UTF-8"));
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(error(&loader).contains("cannot be read: it is longer than 1 MiB"));
    assert!(error(&Config::loader().file(dir.path())).contains("cannot be read: Is a directory"));
}

#[test]
fn deep_nesting_terminates() {
    let deep =
        |open: &str, close: &str| format!("x = {}1{}", open.repeat(9999), close.repeat(9999));
    for text in [
        deep("[", "]"),
        deep("{a=", "}"),
        format!("{} = 1", vec!["a"; 9999].join(".")),
        format!("[{}]", vec!["transport"; 9999].join(".")),
        format!("[transport]\n{} = 1", vec!["a"; 60].join(".")),
    ] {
        let _ = load(&text);
    }
}
