//! Every key of `[transport]`: default, environment, flag, file, and rejected values.

mod cases;

use std::collections::HashSet;

use ron_transport::config::{markdown, Config, Loaded, Loader, Settings, Source};

use cases::Case;

/// Returns the text of a file that sets one key.
fn toml(path: &str, value: &str) -> String {
    format!("[transport]\n{path} = '{value}'\n")
}

/// Returns the value of a key as `check` prints it.
fn effective(loaded: &Loaded<Config>, path: &str) -> Option<String> {
    loaded
        .effective()
        .into_iter()
        .find(|e| e.key.path == path)
        .map(|e| e.value)
}

#[test]
fn cases_cover_every_key() {
    let keys: Vec<_> = Config::keys().iter().map(|key| key.path).collect();
    let cases: Vec<_> = cases::all().map(|case| case.path).collect();
    assert_eq!(keys, cases);
}

#[test]
fn keys_have_distinct_names() {
    let (mut paths, mut vars, mut flags) = (HashSet::new(), HashSet::new(), HashSet::new());
    for key in Config::keys() {
        assert!(paths.insert(key.path), "{}", key.path);
        assert!(vars.insert(Config::env_name(key.path)), "{}", key.path);
        assert!(flags.insert(Config::flag_name(key.path)), "{}", key.path);
        // The loader ignores names that Kubernetes injects, so no key may have one.
        assert!(!key.path.starts_with("port") && !key.path.starts_with("service"));
    }
}

/// Settings that a key requires, as a file below the others.
fn base(path: &str) -> (Loader, usize) {
    let lines: &[&str] = match path {
        "uds.path" => &["backend = 'uds'", "uds.allow_uids = [0]"],
        "arti.onion_service.enabled" => &["backend = 'arti'"],
        "tls.cert_path" => &["tls.key_path = '/k'"],
        "tls.key_path" => &["tls.cert_path = '/c'"],
        "tls.client_auth" => &["tls.client_ca_path = '/a'"],
        "tls.allow_sans" | "tls.spki_pins" | "tls.crl_path" => {
            &["tls.client_ca_path = '/a'", "tls.client_auth = 'optional'"]
        }
        "proxy.required" => &["proxy.trusted = ['10.0.0.0/8']"],
        "tls_client.trust_store" => &["tls_client.ca_bundle_path = '/a'"],
        "tls_client.ca_bundle_path" => &["tls_client.trust_store = 'path'"],
        "tls_client.cert_path" => &["tls_client.key_path = '/k'"],
        "tls_client.key_path" => &["tls_client.cert_path = '/c'"],
        _ => &[],
    };
    let text = format!("[transport]\n{}\n", lines.join("\n"));
    (Config::loader().toml_str(text, "base"), lines.len())
}

#[test]
fn defaults_match_the_promise() {
    let defaults = Config::default();
    let keys: Vec<_> = Config::keys()
        .iter()
        .map(|key| (key.path, defaults.value(key.path).unwrap()))
        .collect();
    let promised: Vec<_> = cases::all()
        .map(|case| (case.path, case.default.to_owned()))
        .collect();
    assert_eq!(keys, promised);
}

#[test]
fn defaults_read_back() {
    let loaded = Config::loader().load().unwrap();
    assert_eq!(*loaded.settings(), Config::default());
    for key in Config::keys() {
        let default = Config::default().value(key.path);
        assert_eq!(effective(&loaded, key.path), default, "{}", key.path);
        assert_eq!(*loaded.source(key.path), Source::Default);
        let written = Config::loader()
            .flag(Config::flag_name(key.path), default.unwrap())
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
fn each_key_by_file_environment_and_flag() {
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
fn each_key_reports_an_invalid_value() {
    let refusing = cases::all().filter(|case| !case.bad.is_empty());
    for Case {
        path,
        bad,
        error: text,
        ..
    } in refusing
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
            // The path of a private key is hidden, and a proxy with its password.
            let secret = path.ends_with("identity_path") || path.contains("key");
            let secret = secret && path.ends_with("_path") || *path == "dial.via";
            assert_eq!(error.value(), (!secret).then_some(*bad), "{path}");
            assert!(secret || shown.contains(bad), "{shown} lacks {bad}");
        }
    }
}

#[test]
fn nonsense_value_refused() {
    for key in Config::keys() {
        let free = [
            "_path",
            "nickname",
            "alpn",
            "allow_sans",
            "sni_override",
            "bind_device",
        ];
        let free = free.iter().any(|end| key.path.ends_with(end));
        for bad in [
            "\0",
            "ü",
            "18446744073709551616",
            "99999999999999999999h",
            "1e9",
            "--",
            "0x10",
        ] {
            let variable = (Config::env_name(key.path), bad);
            let loaded = base(key.path).0.env([variable]).load();
            assert!(free || loaded.is_err(), "{} = {bad:?}", key.path);
        }
    }
}

#[test]
fn empty_value_counts_as_set() {
    for key in Config::keys() {
        let loaded = Config::loader()
            .toml_str("[transport]\nbind_addr = '[::1]:1'", "t")
            .env([(Config::env_name(key.path), "")])
            .load();
        let default = Config::default().value(key.path).unwrap();
        let none = default.is_empty() || key.path == "arti.onion_service.ports";
        assert_eq!(loaded.is_ok(), none, "{}", key.path);
        if key.path == "bind_addr" {
            assert_eq!(loaded.unwrap().settings().general.bind_addr(), None);
        }
    }
}

#[cfg(feature = "tls")]
#[test]
fn tls_settings_that_need_each_other() {
    for (text, key, why) in [
        (
            "tls.cert_path = '/c'",
            "tls.key_path",
            "is needed with tls.cert_path",
        ),
        (
            "tls.key_path = '/secret'",
            "tls.cert_path",
            "is needed with tls.key_path",
        ),
        (
            "tls.client_auth = 'required'",
            "tls.client_ca_path",
            "is needed unless",
        ),
        (
            "tls.allow_sans = ['a']",
            "tls.allow_sans",
            "needs tls.client_auth",
        ),
        (
            "tls.crl_path = ['/a']",
            "tls.crl_path",
            "needs tls.client_auth",
        ),
        (
            "tls.enabled = true",
            "tls.enabled",
            "contradicts backend, which is tcp",
        ),
        (
            "backend = 'tls'\ntls.enabled = false",
            "tls.enabled",
            "contradicts backend",
        ),
        (
            "tls_client.trust_store = 'path'",
            "tls_client.ca_bundle_path",
            "is needed",
        ),
        (
            "tls_client.cert_path = '/c'",
            "tls_client.key_path",
            "is needed with",
        ),
    ] {
        let text = format!("[transport]\n{text}\n");
        let errors = Config::loader().toml_str(text, "t").load().unwrap_err();
        let error = errors.iter().next().unwrap();
        assert_eq!(
            error.key(),
            Some(format!("transport.{key}").as_str()),
            "{error}"
        );
        assert!(error.message().contains(why), "{error}");
        assert!(!errors.to_string().contains("/secret"), "{errors}");
    }
}

#[test]
fn manual_names_every_key() {
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
