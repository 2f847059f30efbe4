//! What a build lacks, how many errors are shown, and what several loads see.
#![allow(clippy::unwrap_used, missing_docs)]

use ron_transport::config::Loader;
use ron_transport::Config;

fn env(name: &str, value: &str) -> Loader {
    Config::loader().env([(name, value)])
}

#[test]
fn a_backend_that_is_not_in_this_build_is_refused_with_what_it_needs() {
    let error = env("RON_TRANSPORT_BACKEND", "arti")
        .load()
        .unwrap_err()
        .to_string();
    let expected = if cfg!(feature = "arti") {
        "not in this version"
    } else {
        "it needs the feature `arti`"
    };
    assert!(error.contains(expected), "{error}");
    if !cfg!(feature = "arti") {
        for loader in [
            env("RON_TRANSPORT_ARTI_ISOLATION", "stream"),
            Config::loader().flag("transport.arti.isolation", "stream"),
            Config::loader().toml_str("[transport.arti]\nisolation = 'stream'", "t"),
        ] {
            let error = loader.load().unwrap_err().to_string();
            assert!(error.contains("it needs the feature `arti`"), "{error}");
        }
    }
}

#[test]
fn of_very_many_errors_the_first_hundred_are_shown_and_the_others_counted() {
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
fn a_snapshot_loads_what_was_there_and_stands_above_what_is_put_below() {
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
