//! Missing backends, the number of printed errors, and snapshots of files.
#![allow(clippy::unwrap_used, missing_docs)]

use ron_transport::Config;

#[cfg(not(feature = "arti"))]
fn env(name: &str, value: &str) -> ron_transport::config::Loader {
    Config::loader().env([(name, value)])
}

#[cfg(not(feature = "arti"))]
#[test]
fn missing_backend_names_its_feature() {
    for loader in [
        env("RON_TRANSPORT_BACKEND", "arti"),
        env("RON_TRANSPORT_ARTI_ISOLATION", "stream"),
        Config::loader().flag("transport.arti.isolation", "stream"),
        Config::loader().toml_str("[transport.arti]\nisolation = 'stream'", "t"),
    ] {
        let error = loader.load().unwrap_err().to_string();
        assert!(error.contains("it needs the feature `arti`"), "{error}");
    }
}

/// Settings that require Tor, and settings that exclude it.
#[cfg(feature = "arti")]
#[test]
fn tor_settings_that_contradict_others() {
    let of = |text: &str| {
        Config::loader()
            .toml_str(format!("[transport]\n{text}"), "t")
            .load()
    };
    let loaded = of("backend = 'arti'").unwrap().into_settings();
    assert!(!loaded.listens());
    assert_eq!(loaded.missing_to_listen(), ["arti.onion_service.enabled"]);
    let onion = "backend = 'arti'\narti.onion_service.enabled = true\n";
    let loaded = of(onion).unwrap().into_settings();
    assert!(loaded.listens() && loaded.missing_to_listen().is_empty());
    for (more, error) in [
        (
            "bind_addr = '127.0.0.1:1'",
            "backend arti listens as an onion service: leave bind_addr out",
        ),
        (
            "amnesia = true\narti.state_dir = '/a'",
            "with amnesia the directory is in memory: leave it out",
        ),
        (
            "amnesia = true\narti.cache_dir = '/a'",
            "with amnesia the directory is in memory: leave it out",
        ),
        (
            "arti.pre_dial_delay = '10s'",
            "must be below dial_timeout (10s)",
        ),
    ] {
        let errors = of(&format!("{onion}{more}")).unwrap_err();
        assert!(errors.to_string().contains(error), "{errors}");
    }
    let errors = of("arti.onion_service.enabled = true").unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("needs backend = arti, but backend is tcp"),
        "{errors}"
    );
}

#[test]
fn errors_above_one_hundred_are_counted() {
    let mut text = String::from("[transport]\n");
    for n in 0..20_000 {
        text += &format!("max_cons{n} = 1\n");
    }
    let errors = Config::loader().toml_str(text, "t").load().unwrap_err();
    assert_eq!(errors.iter().count(), 20_000);
    let shown = errors.to_string();
    assert_eq!(shown.lines().count(), 102);
    assert!(
        shown.ends_with("and 19900 more"),
        "{}",
        &shown[shown.len() - 40..]
    );
    let meant = shown.matches("did you mean max_conns?").count();
    assert!((1..=100).contains(&meant), "{meant}");
}

#[test]
fn snapshot_keeps_files_and_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    std::fs::write(&file, "[transport]\nmax_conns = 7\n").unwrap();
    let loader = Config::loader()
        .file(&file)
        .file(dir.path().join("none"))
        .snapshot();
    let below = "[transport]\nmax_conns = 1\nbind_addr = '[::1]:1'\n";
    let loader = loader.toml_str_below(below, "below");
    std::fs::write(&file, "[transport]\nmax_conns = 8\n").unwrap();
    assert_eq!(loader.peek::<Config>("max_conns").unwrap(), "7");
    assert_eq!(loader.peek::<Config>("bind_addr").unwrap(), "[::1]:1");
    assert_eq!(loader.peek::<Config>("tcp.backlog"), None);
    assert!(loader.load().unwrap_err().to_string().contains("none"));
}
