//! Presets change defaults; every other source takes precedence.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use ron_transport::config::{presets_markdown, Config, Preset, Settings, Source};

fn edge() -> ron_transport::config::Loader {
    Config::loader().toml_str("[transport]\npreset = 'edge'\n", "a.toml")
}

#[test]
fn preset_values_differ_from_defaults() {
    let defaults = Config::default();
    for preset in Preset::ALL {
        let mut paths = HashSet::new();
        for (path, value) in preset.values() {
            assert!(paths.insert(path), "{path} twice");
            let default = defaults.value(path);
            assert_ne!(default.as_deref(), Some(*value), "{path}");
            assert!(default.is_some(), "{path} is no key");
            let set = Config::preset(preset).value(path);
            assert_eq!(set.as_deref(), Some(*value), "{path}");
        }
    }
    assert_eq!(Config::preset(Preset::Server), defaults);
}

#[test]
fn preset_is_reported_as_source() {
    let loaded = edge().load().unwrap();
    assert_eq!(*loaded.settings(), Config::preset(Preset::Edge));
    let source = Source::Preset("edge".to_owned());
    assert_eq!(*loaded.source("max_conns"), source);
    assert_eq!(source.to_string(), "preset edge");
    // Other keys keep their default.
    assert_eq!(*loaded.source("drain_timeout"), Source::Default);
}

#[test]
fn set_key_wins_over_preset() {
    let by_file = edge().toml_str("[transport]\nmax_conns = 7\n", "b.toml");
    for loader in [
        by_file,
        edge().env([("RON_TRANSPORT_MAX_CONNS", "7")]),
        edge().flag("transport.max-conns", "7"),
        // A preset is below all files, whatever their order.
        Config::loader()
            .toml_str("[transport]\nmax_conns = 7\n", "b.toml")
            .env([("RON_TRANSPORT_PRESET", "edge")]),
    ] {
        let loaded = loader.load().unwrap();
        assert_eq!(loaded.settings().limits.max_conns(), 7);
        let idle = loaded.settings().limits.deadlines().idle;
        assert_eq!(idle.as_secs(), 30);
    }
}

#[test]
fn unknown_preset_refused() {
    let errors = edge()
        .env([("RON_TRANSPORT_PRESET", "egde")])
        .load()
        .unwrap_err();
    let text = errors.to_string();
    assert!(text.contains("RON_TRANSPORT_PRESET"), "{text}");
    assert!(text.contains("server, edge or public"), "{text}");
}

#[test]
fn manual_lists_preset_changes() {
    let table = presets_markdown();
    for preset in Preset::ALL {
        for (path, value) in preset.values() {
            assert!(table.contains(&format!("| `{path}` |")), "{path}");
            assert!(table.contains(&format!("`{value}`")), "{value}");
        }
    }
}

#[test]
fn uncapped_public_address_has_one_warning() {
    let warnings = |text: &str| {
        let loader = Config::loader().toml_str(format!("[transport]\n{text}"), "a.toml");
        loader.load().unwrap().warnings().to_vec()
    };
    let bind = "bind_addr = '[2001:db8::1]:9444'\n";
    let warned = warnings(bind);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("one address can hold all 1024 connections"));
    for quiet in ["per_peer.max_conns = 1024", "preset = 'public'"] {
        let text = format!("{bind}{quiet}");
        assert!(warnings(&text).is_empty(), "{quiet}");
    }
    assert!(warnings("bind_addr = '127.0.0.1:9444'").is_empty());
    assert!(
        warnings("").is_empty(),
        "a transport without an address only dials"
    );
}
