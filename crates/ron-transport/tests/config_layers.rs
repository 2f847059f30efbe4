//! Layers: precedence, sources, names, all errors at once, and an embedder's table.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use ron_transport::config::{Config, ConfigErrors, Loader, Settings, Source};
use transport_core::schema::{Key, Kind, Raw, Reload, Section, ValueError};

fn lines(errors: &ConfigErrors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn env(name: &str, value: &str) -> Loader {
    Config::loader().env([(name, value)])
}

#[test]
fn precedence_of_sources() {
    let file = "[transport]\nmax_conns = 1\nread_timeout = '1s'\nwrite_timeout = '1s'";
    let loaded = Config::loader()
        .flag("--transport.max-conns", "3")
        .env([
            ("RON_TRANSPORT_MAX_CONNS", "2"),
            ("RON_TRANSPORT_READ_TIMEOUT", "2s"),
        ])
        .toml_str(file, "ron.toml")
        .load()
        .unwrap();
    let seen: Vec<_> = loaded.effective().iter().map(ToString::to_string).collect();
    for line in [
        "max_conns = 3  # flag --transport.max-conns",
        "read_timeout = 2s  # environment RON_TRANSPORT_READ_TIMEOUT",
        "write_timeout = 1s  # file ron.toml",
        "idle_timeout = 60s  # default",
        "bind_addr = none  # default",
    ] {
        assert!(seen.iter().any(|l| l == line), "{line} in {seen:#?}");
    }
}

#[test]
fn later_file_and_later_flag_win() {
    let loaded = Config::loader()
        .toml_str("[transport]\nmax_conns = 1\n[own]\na = 1\nb = 1", "one")
        .toml_str("[transport]\nmax_conns = 2\n[own]\nb = 2", "two")
        .flag("transport.tcp.backlog", "1")
        .flag("--transport.tcp.backlog", "2")
        .load()
        .unwrap();
    assert_eq!(loaded.settings().limits.max_conns(), 2);
    assert_eq!(*loaded.source("max_conns"), Source::File("two".into()));
    assert_eq!(loaded.settings().tcp.backlog(), 2);
    let own = loaded.table("own").unwrap();
    assert_eq!(
        own,
        [("a".to_owned(), "1".into()), ("b".to_owned(), "2".into())]
    );
}

#[test]
fn every_error_is_reported_at_once() {
    let file = "[transport]\nmax_conn = 1\nidle_timeout = '10ms'\nlimits.chunk_bytes = '128KiB'\n\
                limits.max_frame_bytes = '64KiB'";
    let errors = Config::loader()
        .file("/nonexistent/ron.toml")
        .toml_str(file, "ron.toml")
        .env([
            ("RON_TRANSPORT_TCP_BACKLOG", "x"),
            ("RON_TRANSPORT_PER_PEER_MAX_CONS", "1"),
        ])
        .flag("--transport.tcp.no-delay", "on")
        .flag("--elsewhere", "1")
        .load()
        .unwrap_err();
    let want = [
        "file /nonexistent/ron.toml: cannot be read: No such file or directory (os error 2)",
        "flag --elsewhere: unknown flag; known are --transport.…",
        "transport.max_conn (file ron.toml): unknown key; did you mean max_conns?",
        "environment RON_TRANSPORT_PER_PEER_MAX_CONS: unknown variable; did you mean \
         RON_TRANSPORT_PER_PEER_MAX_CONNS?",
        "flag --transport.tcp.no-delay: unknown flag; did you mean --transport.tcp.nodelay?",
        "transport.idle_timeout = \"10ms\" (file ron.toml): must be at least 1s (allowed: 0 is off, else at least 1s)",
        "transport.tcp.backlog = \"x\" (environment RON_TRANSPORT_TCP_BACKLOG): expected a whole \
         number such as 1024 (allowed: at least 1)",
        "transport.limits.chunk_bytes = \"128KiB\" (file ron.toml): must be at most \
         limits.max_frame_bytes (64KiB)",
    ];
    assert_eq!(lines(&errors), want);
    assert!(errors
        .to_string()
        .starts_with("8 errors in the configuration:\n  file "));
}

#[test]
fn rule_skips_unreadable_values() {
    let file = "[transport]\nread_timeout = '60'\nwrite_timeout = '60s'\n\
                rates.per_conn_bytes_per_sec = '2KiB'";
    let errors = Config::loader().toml_str(file, "t").load().unwrap_err();
    assert_eq!(
        errors.iter().filter_map(|e| e.key()).collect::<Vec<_>>(),
        ["transport.read_timeout"]
    );
}

#[test]
fn unknown_key_suggests_near_key() {
    for (given, meant) in [
        ("MAX_CONNS", Some("max_conns")),
        ("max-conns", Some("max_conns")),
        ("maxconns", Some("max_conns")),
        ("limits.max_conns", Some("max_conns")),
        ("chunk_bytes", Some("limits.chunk_bytes")),
        ("limit.chunk_bytes", Some("limits.chunk_bytes")),
        ("tcp.keep_alive", Some("tcp.keepalive")),
        (
            "per_conn_bytes_per_sec",
            Some("rates.per_conn_bytes_per_sec"),
        ),
        ("zebra", None),
        ("x", None),
    ] {
        let errors = Config::loader()
            .toml_str(format!("[transport]\n{given} = 5"), "t")
            .load()
            .unwrap_err();
        let want = match meant {
            Some(meant) => format!("unknown key; did you mean {meant}?"),
            None => "unknown key".to_owned(),
        };
        assert_eq!(errors.iter().next().unwrap().message(), want, "{given}");
    }
}

#[test]
fn kubernetes_variables_ignored() {
    for name in [
        "PORT",
        "PORT_9444_TCP",
        "PORT_9444_TCP_ADDR",
        "SERVICE_HOST",
        "SERVICE_PORT_ADMIN",
    ] {
        let loaded = env(&format!("RON_TRANSPORT_{name}"), "tcp://10.0.0.1:9444")
            .load()
            .unwrap();
        assert_eq!(*loaded.settings(), Config::default(), "{name}");
    }
    for (name, value) in [
        ("TLS_SERVICE_HOST", "10.0.0.1"),
        ("METRICS_SERVICE_PORT", "80"),
        ("METRICS_SERVICE_PORT_HTTP", "80"),
        ("METRICS_PORT", "tcp://10.0.0.1:80"),
        ("METRICS_PORT_80_TCP_PROTO", "tcp"),
    ] {
        let sibling = env(&format!("RON_TRANSPORT_{name}"), value).load();
        assert_eq!(*sibling.unwrap().settings(), Config::default(), "{name}");
    }
    assert!(env("RON_TRANSPORT_METRICS_PORT", "80").load().is_err());
    for name in ["PORTS", "SERVICES", "", "MAX_CONNS_", "max_conns"] {
        assert!(
            env(&format!("RON_TRANSPORT_{name}"), "1").load().is_err(),
            "{name}"
        );
    }
    for name in [
        "RON_TRANSPOR",
        "RON_TRANSPORTMAX_CONNS",
        "PATH",
        "ron_transport_max_conns",
    ] {
        assert!(env(name, "x").load().is_ok(), "{name}");
    }
}

#[test]
fn non_utf8_value_refused() {
    let bad = || OsString::from_vec(vec![b'5', 0xff]);
    let name = OsString::from_vec(b"RON_TRANSPORT_MAX_CONNS\xff".to_vec());
    let errors = Config::loader()
        .env([
            (OsString::from("RON_TRANSPORT_MAX_CONNS"), bad()),
            (name, "5".into()),
            (OsString::from("RON_TRANSPORT_PORT"), bad()),
            (OsString::from("OTHER"), bad()),
        ])
        .flag("transport.max_conns", bad())
        .load()
        .unwrap_err();
    let lines = lines(&errors);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines
        .iter()
        .any(|l| l.contains("RON_TRANSPORT_MAX_CONNS): the value is not UTF-8")));
    assert!(lines
        .iter()
        .any(|l| l.contains("flag --transport.max-conns): the value is not UTF-8")));
    assert!(lines
        .iter()
        .any(|l| l.contains("did you mean RON_TRANSPORT_MAX_CONNS?")));
}

#[test]
fn more_connections_than_descriptors_warns() {
    let warnings = |limit| {
        Config::loader()
            .max_fd(limit)
            .load()
            .unwrap()
            .warnings()
            .to_vec()
    };
    assert!(warnings(None).is_empty());
    assert!(warnings(Some(2048)).is_empty());
    assert_eq!(warnings(Some(2047)).len(), 1);
    assert!(warnings(Some(64))[0].contains("max_conns is 1024, over half of the 64 file"));
}

/// An embedder's table, with a key whose value is hidden.
#[derive(Debug, Default, Clone)]
struct Own {
    mode: String,
    key_path: String,
}

const MODE: Key = Key::new("mode", Kind::Text, Reload::Restart).allows("echo or forward");
const KEY_PATH: Key =
    Key::new("tls.key_path", Kind::Text, Reload::Restart).allows("a readable file");

impl Section for Own {
    fn keys(&self) -> Vec<&'static Key> {
        vec![&MODE, &KEY_PATH]
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        let text = value.text()?;
        if text.contains("bad") {
            return Err(ValueError::new(format!("{text} cannot be used")));
        }
        let field = if path == "mode" {
            &mut self.mode
        } else {
            &mut self.key_path
        };
        field.clear();
        field.push_str(text);
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        match path {
            "mode" => Some(self.mode.clone()),
            "tls.key_path" => Some(self.key_path.clone()),
            _ => None,
        }
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        let clash = self.key_path.contains("clash");
        clash
            .then(|| ("tls.key_path", ValueError::new(self.key_path.clone())))
            .into_iter()
            .collect()
    }
}

impl Settings for Own {
    const TABLE: &'static str = "own";
    const ENV_PREFIX: &'static str = "RON_";

    fn sections(&self) -> Vec<&dyn Section> {
        vec![self]
    }

    fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
        vec![self]
    }
}

#[test]
fn embedder_table_follows_the_same_rules() {
    let loader = Config::loader()
        .toml_str(
            "[own]\nmode = 'a'\ntls.key_path = 'k'\n[transport]\nmax_conns = 7",
            "t",
        )
        .env([("RON_MODE", "b"), ("RON_TRANSPORT_TCP_BACKLOG", "8")])
        .flag("--own.tls.key-path", "k2");
    let (transport, own) = loader.load_with::<Own>().unwrap();
    assert_eq!(transport.settings().limits.max_conns(), 7);
    assert_eq!(transport.settings().tcp.backlog(), 8);
    assert_eq!(own.settings().mode, "b");
    assert_eq!(own.settings().key_path, "k2");
    assert_eq!(
        *own.source("tls.key_path"),
        Source::Flag("--own.tls.key-path".into())
    );

    let errors = loader
        .flag("--transport.max-conns", "0")
        .flag("--own.mod", "x")
        .env([("RON_TLS_KEYPATH", "x")])
        .load_with::<Own>()
        .unwrap_err();
    assert_eq!(
        lines(&errors),
        [
            "transport.max_conns = \"0\" (flag --transport.max-conns): must be at least 1",
            "environment RON_TLS_KEYPATH: unknown variable; did you mean RON_TLS_KEY_PATH?",
            "flag --own.mod: unknown flag; did you mean --own.mode?",
        ]
    );
}

#[test]
fn onion_name_hidden_in_errors() {
    for value in ["secretname.onion:80", "tor://SECRETNAME.Onion"] {
        let loader = Config::loader().flag("transport.max-conns", value);
        let errors = loader.load().unwrap_err();
        let text = errors.to_string();
        assert!(text.contains("transport.max_conns (flag"), "{text}");
        assert!(!text.to_lowercase().contains("secretname"), "{text}");
    }
}

#[test]
fn key_path_value_hidden() {
    let secret = "/run/s3cret";
    let loader = Config::loader().env([("RON_TLS_KEY_PATH", secret)]);
    let loaded = loader.load_section::<Own>().unwrap();
    let shown = loaded.effective()[1].to_string();
    assert_eq!(
        shown,
        "tls.key_path = <set>  # environment RON_TLS_KEY_PATH"
    );
    let mut all = vec![format!("{loader:?} {loaded:?}")];

    for bad in ["/run/s3cret-bad", "/run/s3cret-clash"] {
        for loader in [
            Config::loader().env([("RON_TLS_KEY_PATH", bad)]),
            Config::loader().flag("own.tls.key_path", bad),
            Config::loader().toml_str(format!("[own]\ntls.key_path = '{bad}'"), "t"),
            Config::loader().toml_str(format!("[own]\ntls.key_path = ['{bad}']"), "t"),
            Config::loader().toml_str(format!("[own]\ntls.key_path = {{ a = '{bad}' }}"), "t"),
            Config::loader().toml_str(format!("[own]\ntls.key_path = {bad}"), "t"),
            Config::loader().toml_str(format!("[own]\ntls.key_pth = '{bad}'"), "t"),
            Config::loader().toml_str(format!("[own]\ntls.key_path = '{bad}' x"), "t"),
        ] {
            let errors = loader.load_section::<Own>().unwrap_err();
            all.push(format!("{loader:?} {errors} {errors:?}"));
        }
    }
    for text in all {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
