//! Every key of `[transport]`, by table: default, environment, flag, file, and what is refused.

mod cases;

use std::collections::HashSet;

use ron_transport::config::{markdown, Config, Loaded, Loader, Settings, Source};
use ron_transport::core::schema::Key;

use cases::Case;

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
    let cases: Vec<_> = cases::all().map(|case| case.path).collect();
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
    let promised: Vec<_> = cases::all().map(|case| (case.path, case.default)).collect();
    assert_eq!(keys, promised);
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
    for Case {
        path,
        written,
        want,
        ..
    } in cases::all()
    {
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
    for Case {
        path,
        bad,
        error: text,
        ..
    } in cases::all()
    {
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
