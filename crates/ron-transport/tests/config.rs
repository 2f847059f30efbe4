//! Every key of `[transport]`, by table: default, environment, flag, file, and what is refused.

use std::collections::HashSet;

use ron_transport::config::{markdown, Config, Loaded, Loader, Settings, Source};
use ron_transport::core::schema::Key;

/// Path, a value as it may be written, the same in effect, a value that is refused, and a part of
/// the error.
const CASES: &[(&str, &str, &str, &str, &str)] = &[
    ("preset", "edge", "edge", "Edge", "server or edge"),
    ("backend", "tcp", "tcp", "tls", "needs the feature `tls`"),
    (
        "bind_addr",
        "127.0.0.1:9444",
        "127.0.0.1:9444",
        "localhost:9444",
        "127.0.0.1:9444",
    ),
    ("drain_timeout", "2m", "2m", "25h", "0 to 24h"),
    ("max_conns", "5", "5", "0", "at least 1"),
    (
        "read_timeout",
        "250ms",
        "250ms",
        "5",
        "such as 250ms, 5s or 2m",
    ),
    ("write_timeout", "1h", "60m", "0", "over 0"),
    ("idle_timeout", "1s", "1s", "999ms", "at least 1s"),
    ("handshake_timeout", "60s", "60s", "off", "over 0"),
    (
        "dial_timeout",
        "1500ms",
        "1500ms",
        "1d",
        "such as 250ms, 5s or 2m",
    ),
    (
        "max_lifetime",
        "off",
        "0s",
        "-1s",
        "such as 250ms, 5s or 2m",
    ),
    (
        "limits.max_frame_bytes",
        "512KiB",
        "512KiB",
        "2MiB",
        "64KiB to 1MiB",
    ),
    (
        "limits.chunk_bytes",
        "8192",
        "8KiB",
        "1KiB",
        "4KiB to 256KiB",
    ),
    ("limits.writer_inbox", "1", "1", "65537", "1 to 65536"),
    ("limits.max_pending_handshakes", "9", "9", "0", "at least 1"),
    (
        "rates.per_conn_bytes_per_sec",
        "1MiB",
        "1MiB",
        "1MB",
        "such as 64KiB, 8MiB",
    ),
    (
        "rates.per_peer_bytes_per_sec",
        "13108",
        "13108",
        "13107",
        "at least 13108",
    ),
    (
        "rates.global_ingress_bytes_per_sec",
        "1 GiB",
        "1GiB",
        "1.5MiB",
        "such as 64KiB, 8MiB",
    ),
    (
        "rates.global_egress_bytes_per_sec",
        "off",
        "0",
        "256TiB",
        "such as 64KiB, 8MiB",
    ),
    (
        "rates.accepts_per_sec",
        "100",
        "100",
        "4294967296",
        "at most 4294967295",
    ),
    ("per_peer.accepts_per_sec", "7", "7", "-7", "a whole number"),
    ("per_peer.max_conns", "2", "2", "two", "a whole number"),
    ("per_peer.ipv6_prefix", "56", "56", "129", "32 to 128"),
    ("amnesia", "ON", "true", "1", "on, off, true or false"),
    (
        "tcp.nodelay",
        "OFF",
        "false",
        "no",
        "on, off, true or false",
    ),
    (
        "tcp.keepalive",
        "0",
        "off",
        "1500ms",
        "whole seconds, 1s to 32767s",
    ),
    ("tcp.user_timeout", "30s", "30s", "577h", "1ms to 576h"),
    ("tcp.backlog", "128", "128", "0", "at least 1"),
    (
        "tcp.reuse_port",
        "On",
        "true",
        "1",
        "on, off, true or false",
    ),
    #[cfg(feature = "uds")]
    (
        "uds.path",
        "/run/ron/sock",
        "/run/ron/sock",
        "ron.sock",
        "an absolute path",
    ),
    #[cfg(feature = "uds")]
    ("uds.allow_uids", "7, 5,7", "5,7", "alice", "no uid"),
    #[cfg(feature = "arti")]
    (
        "arti.bootstrap_timeout",
        "2m",
        "2m",
        "0",
        "over 0, at most 24h",
    ),
    #[cfg(feature = "arti")]
    ("arti.pre_dial_delay", "9s", "9s", "61s", "0 to 60s"),
    #[cfg(feature = "arti")]
    (
        "arti.dial_while_bootstrapping",
        "wait",
        "wait",
        "no",
        "fail or wait",
    ),
    #[cfg(feature = "arti")]
    (
        "arti.isolation",
        "stream",
        "stream",
        "all",
        "none, destination or stream",
    ),
    #[cfg(feature = "arti")]
    ("arti.state_dir", "/a/b", "/a/b", "b", "an absolute path"),
    #[cfg(feature = "arti")]
    ("arti.cache_dir", "/a/b", "/a/b", "b", "an absolute path"),
    #[cfg(feature = "arti")]
    ("arti.config_path", "/a/b", "/a/b", "b", "an absolute path"),
    #[cfg(feature = "arti")]
    (
        "arti.onion_service.enabled",
        "on",
        "true",
        "yes",
        "on, off, true or false",
    ),
    #[cfg(feature = "arti")]
    (
        "arti.onion_service.nickname",
        "a-b",
        "a-b",
        "A",
        "1 to 64 of a to z",
    ),
    #[cfg(feature = "arti")]
    (
        "arti.onion_service.ports",
        "80, 443",
        "80,443",
        "0",
        "1 to 65535",
    ),
    #[cfg(feature = "arti")]
    (
        "arti.onion_service.identity_path",
        "/a/b",
        "<set>",
        "b",
        "an absolute path",
    ),
    #[cfg(feature = "arti")]
    (
        "arti.onion_service.client_keys_path",
        "/a/b",
        "<set>",
        "b",
        "an absolute path",
    ),
    #[cfg(feature = "arti")]
    (
        "arti.onion_service.pow",
        "on",
        "true",
        "1",
        "on, off, true or false",
    ),
];

/// The text of a file that sets one key.
fn toml(path: &str, value: &str) -> String {
    format!("[transport]\n{path} = '{value}'\n")
}

/// The value in effect, as it is shown.
fn effective(loaded: &Loaded<Config>, path: &str) -> Option<String> {
    loaded
        .effective()
        .into_iter()
        .find(|e| e.key.path == path)
        .map(|e| e.value)
}

#[test]
fn the_cases_are_the_keys() {
    let keys: Vec<_> = Config::keys().iter().map(|key| key.path).collect();
    let cases: Vec<_> = CASES.iter().map(|case| case.0).collect();
    assert_eq!(keys, cases);
}

#[test]
fn no_two_keys_share_a_path_a_variable_or_a_flag() {
    let (mut paths, mut vars, mut flags) = (HashSet::new(), HashSet::new(), HashSet::new());
    for key in Config::keys() {
        assert!(paths.insert(key.path), "{}", key.path);
        assert!(vars.insert(Config::env_name(key.path)), "{}", key.path);
        assert!(flags.insert(Config::flag_name(key.path)), "{}", key.path);
        // Names that Kubernetes injects are passed over, so no key may have one.
        assert!(!key.path.starts_with("port") && !key.path.starts_with("service"));
    }
}

/// The defaults, as the manual promises them.
const DEFAULTS: &[(&str, &str)] = &[
    ("preset", "server"),
    ("backend", "tcp"),
    ("bind_addr", ""),
    ("drain_timeout", "5s"),
    ("max_conns", "1024"),
    ("read_timeout", "5s"),
    ("write_timeout", "5s"),
    ("idle_timeout", "60s"),
    ("handshake_timeout", "10s"),
    ("dial_timeout", "10s"),
    ("max_lifetime", "0s"),
    ("limits.max_frame_bytes", "1MiB"),
    ("limits.chunk_bytes", "64KiB"),
    ("limits.writer_inbox", "256"),
    ("limits.max_pending_handshakes", "256"),
    ("rates.per_conn_bytes_per_sec", "0"),
    ("rates.per_peer_bytes_per_sec", "0"),
    ("rates.global_ingress_bytes_per_sec", "0"),
    ("rates.global_egress_bytes_per_sec", "0"),
    ("rates.accepts_per_sec", "0"),
    ("per_peer.accepts_per_sec", "0"),
    ("per_peer.max_conns", "0"),
    ("per_peer.ipv6_prefix", "64"),
    ("amnesia", "false"),
    ("tcp.nodelay", "true"),
    ("tcp.keepalive", "60s"),
    ("tcp.user_timeout", "off"),
    ("tcp.backlog", "1024"),
    ("tcp.reuse_port", "false"),
    #[cfg(feature = "uds")]
    ("uds.path", ""),
    #[cfg(feature = "uds")]
    ("uds.allow_uids", ""),
    #[cfg(feature = "arti")]
    ("arti.bootstrap_timeout", "30s"),
    #[cfg(feature = "arti")]
    ("arti.pre_dial_delay", "0s"),
    #[cfg(feature = "arti")]
    ("arti.dial_while_bootstrapping", "fail"),
    #[cfg(feature = "arti")]
    ("arti.isolation", "destination"),
    #[cfg(feature = "arti")]
    ("arti.state_dir", ""),
    #[cfg(feature = "arti")]
    ("arti.cache_dir", ""),
    #[cfg(feature = "arti")]
    ("arti.config_path", ""),
    #[cfg(feature = "arti")]
    ("arti.onion_service.enabled", "false"),
    #[cfg(feature = "arti")]
    ("arti.onion_service.nickname", "ron"),
    #[cfg(feature = "arti")]
    ("arti.onion_service.ports", "80"),
    #[cfg(feature = "arti")]
    ("arti.onion_service.identity_path", ""),
    #[cfg(feature = "arti")]
    ("arti.onion_service.client_keys_path", ""),
    #[cfg(feature = "arti")]
    ("arti.onion_service.pow", "false"),
];

/// What some keys cannot be without, as a file of its own below the others.
fn base(path: &str) -> (Loader, usize) {
    match path {
        "uds.path" => {
            let text = "[transport]\nbackend = 'uds'\nuds.allow_uids = [0]\n";
            (Config::loader().toml_str(text, "base"), 2)
        }
        _ => (Config::loader(), 0),
    }
}

#[test]
fn the_defaults_are_those_that_are_promised() {
    let keys: Vec<_> = Config::keys()
        .iter()
        .map(|key| (key.path, key.default))
        .collect();
    assert_eq!(keys, DEFAULTS);
}

#[test]
fn every_default_is_in_effect_and_can_be_written() {
    let loaded = Config::loader().load().unwrap();
    assert_eq!(*loaded.settings(), Config::default());
    for key in Config::keys() {
        assert_eq!(
            effective(&loaded, key.path).as_deref(),
            Some(key.default),
            "{}",
            key.path
        );
        assert_eq!(*loaded.source(key.path), Source::Default);
        let written = Config::loader()
            .flag(Config::flag_name(key.path), key.default)
            .load();
        assert_eq!(
            *written.unwrap().settings(),
            Config::default(),
            "{}",
            key.path
        );
    }
}

#[test]
fn every_key_is_set_by_file_environment_and_flag() {
    for (path, written, want, ..) in CASES {
        let (var, flag) = (Config::env_name(path), Config::flag_name(path));
        let (base, beside) = (|| base(path), base(path).1);
        let cases = [
            (
                base().0.toml_str(toml(path, written), "t"),
                Source::File("t".into()),
            ),
            (base().0.env([(&var, written)]), Source::Env(var.clone())),
            (base().0.flag(&flag, written), Source::Flag(flag.clone())),
            (
                base().0.flag(format!("transport.{path}"), written),
                Source::Flag(flag),
            ),
        ];
        for (loader, source) in cases {
            let loaded = loader
                .load()
                .unwrap_or_else(|errors| panic!("{path}: {errors}"));
            assert_eq!(
                effective(&loaded, path).as_deref(),
                Some(*want),
                "{path} from {source}"
            );
            assert_eq!(*loaded.source(path), source);
            let set = loaded
                .effective()
                .iter()
                .filter(|e| !matches!(e.source, Source::Default | Source::Preset(_)))
                .count();
            assert_eq!(set, 1 + beside, "{path} alone");
        }
    }
}

#[test]
fn every_key_refuses_with_key_source_value_and_what_is_allowed() {
    for (path, _, _, bad, text) in CASES {
        let (var, flag) = (Config::env_name(path), Config::flag_name(path));
        let cases = [
            (
                base(path).0.toml_str(toml(path, bad), "t"),
                "file t".to_owned(),
            ),
            (
                base(path).0.env([(&var, bad)]),
                format!("environment {var}"),
            ),
            (base(path).0.flag(&flag, bad), format!("flag {flag}")),
        ];
        for (loader, source) in cases {
            let errors = loader.load().unwrap_err();
            assert_eq!(errors.iter().count(), 1, "{errors}");
            let error = errors.iter().next().unwrap();
            assert_eq!(error.key(), Some(format!("transport.{path}").as_str()));
            assert_eq!(error.origin().to_string(), source);
            assert!(error.message().contains(text), "{path}: {error}");
            let shown = error.to_string();
            for part in [*path, source.as_str()] {
                assert!(shown.contains(part), "{shown} lacks {part}");
            }
            // Where a private key is, is not said.
            let secret = path.ends_with("identity_path") || path.contains("key");
            let secret = secret && path.ends_with("_path");
            assert_eq!(error.value(), (!secret).then_some(*bad), "{path}");
            assert!(secret || shown.contains(bad), "{shown} lacks {bad}");
        }
    }
}

#[test]
fn every_key_refuses_nonsense_without_a_panic() {
    // A name is a name, also one of digits.
    let named = |key: &&&Key| !key.path.ends_with("nickname");
    for key in Config::keys().iter().filter(named) {
        for bad in [
            "\0",
            "ü",
            "18446744073709551616",
            "99999999999999999999h",
            "1e9",
            "--",
            "0x10",
        ] {
            let errors = Config::loader()
                .env([(Config::env_name(key.path), bad)])
                .load();
            assert!(errors.is_err(), "{} = {bad:?}", key.path);
        }
    }
}

#[test]
fn an_empty_value_is_set_and_is_an_error_but_where_none_is_allowed() {
    for key in Config::keys() {
        let loaded = Config::loader()
            .toml_str("[transport]\nbind_addr = '[::1]:1'", "t")
            .env([(Config::env_name(key.path), "")])
            .load();
        match key.path {
            "bind_addr" => assert_eq!(loaded.unwrap().settings().general.bind_addr(), None),
            "uds.path" | "uds.allow_uids" | "arti.onion_service.ports" => assert!(loaded.is_ok()),
            path if path.starts_with("arti.")
                && (path.ends_with("path") || path.ends_with("dir")) =>
            {
                assert!(loaded.is_ok(), "{path}");
            }
            path => assert!(loaded.is_err(), "{path}"),
        }
    }
}

#[test]
fn the_manual_names_every_key() {
    let table = markdown();
    assert_eq!(table.lines().count(), Config::keys().len() + 2);
    for key in Config::keys() {
        let start = format!(
            "| `{}` | `{}` | `{}` |",
            key.path,
            Config::env_name(key.path),
            Config::flag_name(key.path)
        );
        assert!(
            table.lines().any(|line| line.starts_with(&start)),
            "{start}"
        );
    }
    for line in table.lines() {
        assert_eq!(line.matches('|').count(), 8, "{line}");
    }
}
