//! Every key: default, parsing, range and error texts.

use std::path::Path;
use std::time::Duration;

use transport_core::schema::{Kind, Raw, Reload, Section};

use super::{ArtiConfig, DialWhileBootstrapping, Isolation};

/// Path, a written value, and the value read back.
const TAKEN: &[(&str, &str, &str)] = &[
    ("arti.bootstrap_timeout", "2m", "2m"),
    ("arti.bootstrap_timeout", "24h", "1440m"),
    ("arti.bootstrap_timeout", "1ms", "1ms"),
    ("arti.pre_dial_delay", "250ms", "250ms"),
    ("arti.pre_dial_delay", "1m", "60s"),
    ("arti.pre_dial_delay", "off", "0s"),
    ("arti.dial_while_bootstrapping", "wait", "wait"),
    ("arti.isolation", "none", "none"),
    ("arti.isolation", "stream", "stream"),
    ("arti.state_dir", "/var/lib/ron", "/var/lib/ron"),
    ("arti.cache_dir", " /var/cache/ron ", "/var/cache/ron"),
    ("arti.config_path", "/etc/arti.toml", "/etc/arti.toml"),
    ("arti.onion_service.enabled", "ON", "true"),
    ("arti.onion_service.nickname", "my_edge-2", "my_edge-2"),
    ("arti.onion_service.ports", "80, 443,65535", "80,443,65535"),
    ("arti.onion_service.ports", "1", "1"),
    ("arti.onion_service.ports", "", ""),
    ("arti.onion_service.identity_path", "/keys/id", "/keys/id"),
    ("arti.onion_service.client_keys_path", "/keys/c", "/keys/c"),
    ("arti.onion_service.pow", "true", "true"),
];

/// Path, a refused value, and a part of the error.
const REFUSED: &[(&str, &str, &str)] = &[
    ("arti.bootstrap_timeout", "0", "over 0"),
    ("arti.bootstrap_timeout", "25h", "at most 24h"),
    ("arti.bootstrap_timeout", "30", "such as 250ms"),
    ("arti.pre_dial_delay", "61s", "0 to 60s"),
    ("arti.pre_dial_delay", "-1s", "such as 250ms"),
    ("arti.dial_while_bootstrapping", "retry", "fail or wait"),
    ("arti.dial_while_bootstrapping", "", "fail or wait"),
    ("arti.isolation", "Stream", "none, destination or stream"),
    ("arti.state_dir", "state", "absolute path"),
    ("arti.cache_dir", "./cache", "absolute path"),
    ("arti.config_path", "~/arti.toml", "absolute path"),
    (
        "arti.onion_service.enabled",
        "yes",
        "on, off, true or false",
    ),
    ("arti.onion_service.nickname", "", "1 to 64"),
    (
        "arti.onion_service.nickname",
        "-ron",
        "not beginning with -",
    ),
    ("arti.onion_service.nickname", "Ron", "a to z"),
    ("arti.onion_service.nickname", "../ron", "a to z"),
    ("arti.onion_service.nickname", "r.on", "a to z"),
    ("arti.onion_service.nickname", "rön", "a to z"),
    ("arti.onion_service.ports", "0", "1 to 65535"),
    ("arti.onion_service.ports", "65536", "80,443"),
    ("arti.onion_service.ports", "80,+443", "80,443"),
    ("arti.onion_service.ports", "http", "80,443"),
    ("arti.onion_service.ports", "80,443,80", "no port twice: 80"),
    ("arti.onion_service.identity_path", "id", "absolute path"),
    ("arti.onion_service.client_keys_path", "keys/", "absolute"),
    ("arti.onion_service.pow", "", "on, off, true or false"),
    ("arti.onion_service", "x", "no such key"),
    ("arti.nothing", "1", "no such key"),
    ("arti.onion_service.nothing", "1", "no such key"),
    ("tcp.nodelay", "on", "no such key"),
];

#[test]
fn every_default_can_be_set() {
    let mut arti = ArtiConfig::default();
    for key in arti.keys() {
        let default = arti.get(key.path).unwrap();
        arti.set(key.path, &default.as_str().into()).unwrap();
    }
    assert_eq!(arti, ArtiConfig::default());
    assert!(arti.check().is_empty());
}

#[test]
fn every_key_is_set_alone() {
    for (path, written, want) in TAKEN {
        let mut arti = ArtiConfig::default();
        arti.set(path, &(*written).into()).unwrap();
        assert_eq!(arti.get(path).as_deref(), Some(*want), "{path}");
        let default = ArtiConfig::default();
        let others = arti.keys().into_iter().filter(|key| key.path != *path);
        for other in others {
            assert_eq!(
                arti.get(other.path),
                default.get(other.path),
                "after {path}"
            );
        }
    }
    for key in ArtiConfig::default().keys() {
        assert!(TAKEN.iter().any(|case| case.0 == key.path), "{}", key.path);
        assert!(
            REFUSED.iter().any(|case| case.0 == key.path),
            "{}",
            key.path
        );
    }
}

#[test]
fn refused_value_changes_nothing() {
    let mut arti = ArtiConfig::default();
    for (path, value, text) in REFUSED {
        let error = arti.set(path, &(*value).into()).unwrap_err().to_string();
        assert!(error.contains(text), "{path} = {value}: {error}");
    }
    let long = "x".repeat(65);
    arti.set("arti.onion_service.nickname", &long[..].into())
        .unwrap_err();
    assert_eq!(arti, ArtiConfig::default());
    arti.set("arti.onion_service.nickname", &long[1..].into())
        .unwrap();
    assert_eq!(arti.get("arti.nothing"), None);
}

#[test]
fn only_ports_are_a_list() {
    let list = Raw::List(vec!["80".into(), " 8080 ".into()]);
    for key in ArtiConfig::default().keys() {
        let taken = ArtiConfig::default().set(key.path, &list);
        assert_eq!(taken.is_ok(), key.kind == Kind::List, "{}", key.path);
    }
    let mut arti = ArtiConfig::default();
    arti.set("arti.onion_service.ports", &list).unwrap();
    assert_eq!(arti.onion_service().ports(), [80, 8080]);
    let empty_item = Raw::List(vec!["80".into(), String::new()]);
    arti.set("arti.onion_service.ports", &empty_item)
        .unwrap_err();
}

#[test]
fn onion_service_needs_port() {
    let mut arti = ArtiConfig::default();
    arti.onion_service_mut().set_ports(&[]).unwrap();
    assert!(arti.check().is_empty(), "it is not enabled");
    arti.onion_service_mut().set_enabled(true);
    let broken = arti.check();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].0, "arti.onion_service.ports");
    assert!(broken[0].1.to_string().contains("at least one port"));
    arti.onion_service_mut().set_ports(&[443]).unwrap();
    assert!(arti.check().is_empty());
}

#[test]
fn getters_return_set_values() {
    let mut arti = ArtiConfig::default();
    arti.set_bootstrap_timeout(Duration::from_secs(5)).unwrap();
    arti.set_pre_dial_delay(Duration::from_secs(1)).unwrap();
    arti.set_dial_while_bootstrapping(DialWhileBootstrapping::Wait)
        .set_isolation(Isolation::Stream);
    arti.set_state_dir(Some("/s".into())).unwrap();
    arti.set_cache_dir(Some("/c".into())).unwrap();
    arti.set_config_path(Some("/t".into())).unwrap();
    let onion = arti.onion_service_mut();
    onion.set_enabled(true).set_pow(true);
    onion.set_nickname("edge").unwrap();
    onion.set_identity_path(Some("/i".into())).unwrap();
    onion.set_client_keys_path(Some("/k".into())).unwrap();
    assert_eq!(arti.bootstrap_timeout(), Duration::from_secs(5));
    assert_eq!(arti.pre_dial_delay(), Duration::from_secs(1));
    assert_eq!(
        arti.dial_while_bootstrapping(),
        DialWhileBootstrapping::Wait
    );
    assert_eq!(arti.isolation(), Isolation::Stream);
    assert_eq!(arti.state_dir(), Some(Path::new("/s")));
    assert_eq!(arti.cache_dir(), Some(Path::new("/c")));
    assert_eq!(arti.config_path(), Some(Path::new("/t")));
    let onion = arti.onion_service();
    assert!(onion.enabled() && onion.pow());
    assert_eq!(onion.nickname(), "edge");
    assert_eq!(onion.identity_path(), Some(Path::new("/i")));
    assert_eq!(onion.client_keys_path(), Some(Path::new("/k")));
}

#[test]
fn debug_and_errors_hide_key_paths() {
    let mut arti = ArtiConfig::default();
    for path in ["identity_path", "client_keys_path"] {
        let path = format!("arti.onion_service.{path}");
        arti.set(&path, &"/hush/key".into()).unwrap();
        let error = arti.set(&path, &"hush".into()).unwrap_err();
        assert!(!error.to_string().contains("hush"));
    }
    let shown = format!("{arti:?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("identity_path: Some(hidden)"), "{shown}");
}

#[test]
fn dial_settings_need_no_restart() {
    let keys = ArtiConfig::default().keys();
    let new: Vec<_> = keys
        .iter()
        .filter(|key| key.reload == Reload::New)
        .map(|key| key.path)
        .collect();
    let dials = [
        "arti.bootstrap_timeout",
        "arti.pre_dial_delay",
        "arti.dial_while_bootstrapping",
        "arti.isolation",
    ];
    assert_eq!(new, dials);
    assert!(keys.iter().all(|key| key.reload != Reload::Live));
}
