//! Sections: keys are found, set, read and checked through their table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use transport_core::schema::{
    format_path, ConflictingSettings, Key, Kind, Raw, Reload, Section, SectionTable, Setting,
    ValueError,
};
use transport_core::TransportError;

#[derive(Default)]
struct Probe {
    on: bool,
    count: u64,
    wait: Duration,
    bytes: u64,
    path: Option<PathBuf>,
}

macro_rules! row {
    ($path:literal, $kind:ident, $read:ident, $field:ident) => {
        Key::new($path, Kind::$kind, Reload::Live)
            .get(|p: &Self| format!("{:?}", p.$field))
            .set(|p, value| value.$read().map(|value| p.$field = value))
    };
}

impl SectionTable for Probe {
    const SETTINGS: &'static [Setting<Self>] = &[
        row!("on", Bool, bool, on),
        row!("count", Count, count, count),
        row!("wait", Duration, duration, wait),
        row!("bytes", Size, size, bytes),
        Key::new(
            "path",
            Kind::Path(transport_core::schema::PathUse::Read),
            Reload::New,
        )
        .get(|p: &Self| format_path(p.path.as_deref()))
        .set(|p, value| value.path().map(|path| p.path = path)),
        Key::new("fixed", Kind::Text, Reload::Restart).get(|_: &Self| String::new()),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        let zero = |path, is_zero: bool| is_zero.then(|| (path, ValueError::new("must not be 0")));
        let both = [
            zero("count", self.count == 0),
            zero("bytes", self.bytes == 0),
        ];
        both.into_iter().flatten().collect()
    }
}

/// A section without a table and without conflicts.
struct Bare;

impl Section for Bare {
    fn keys(&self) -> Vec<&'static Key> {
        Vec::new()
    }

    fn set(&mut self, _: &str, _: &Raw) -> Result<(), ValueError> {
        Err(ValueError::new("no such key"))
    }

    fn get(&self, _: &str) -> Option<String> {
        None
    }
}

#[test]
fn each_key_sets_its_own_field() {
    let mut probe = Probe::default();
    for (path, value) in [
        ("on", "on"),
        ("count", "7"),
        ("wait", "5s"),
        ("bytes", "2KiB"),
        ("path", "/run/a"),
    ] {
        probe.set(path, &value.into()).unwrap();
    }
    assert!(probe.on);
    assert_eq!((probe.count, probe.bytes), (7, 2048));
    assert_eq!(probe.wait, Duration::from_secs(5));
    assert_eq!(probe.path.as_deref(), Some(Path::new("/run/a")));
    assert_eq!(probe.get("count").as_deref(), Some("7"));
    assert_eq!(probe.get("path").as_deref(), Some("/run/a"));
    probe.set("on", &"off".into()).unwrap();
    probe.set("path", &" ".into()).unwrap();
    assert!(!probe.on);
    assert_eq!(
        (probe.path.as_ref(), probe.get("path").as_deref()),
        (None, Some(""))
    );
}

#[test]
fn unknown_and_fixed_keys_cannot_be_set() {
    let mut probe = Probe::default();
    for (path, text) in [("Count", "no such key"), ("fixed", "cannot be set")] {
        let error = probe.set(path, &"1".into()).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(probe.get("Count"), None);
    for path in ["on", "count", "wait", "bytes"] {
        assert!(probe.set(path, &"?".into()).is_err(), "{path}");
        assert!(
            probe.set(path, &Raw::List(vec!["1".into()])).is_err(),
            "{path}"
        );
    }
    assert!(probe.set("path", &Raw::List(Vec::new())).is_err());
}

#[test]
fn keys_keep_the_order_of_the_table() {
    let keys = Probe::default().keys();
    let paths: Vec<_> = keys.iter().map(|key| key.path).collect();
    assert_eq!(paths, ["on", "count", "wait", "bytes", "path", "fixed"]);
    let letters: Vec<_> = keys.iter().map(|key| key.reload.letter()).collect();
    assert_eq!(letters.join(""), "LLLLNR");
}

#[test]
fn conflicts_are_listed_with_their_keys() {
    let mut probe = Probe::default();
    let error = ConflictingSettings::into_result(probe.check()).unwrap_err();
    let text = "count: must not be 0; bytes: must not be 0";
    assert_eq!(error.to_string(), text);
    assert_eq!(TransportError::from(error).to_string(), text);
    (probe.count, probe.bytes) = (1, 1);
    assert!(ConflictingSettings::into_result(probe.check()).is_ok());
    assert!(Bare.check().is_empty());
}

#[test]
fn allowed_values_of_each_kind() {
    let key = |kind| Key::new("key", kind, Reload::Live);
    assert_eq!(key(Kind::Bool).allowed(), "on or off");
    assert_eq!(key(Kind::Choice(&["a", "b", "c"])).allowed(), "a, b or c");
    assert_eq!(key(Kind::Count).allowed(), "");
    assert_eq!(key(Kind::Bool).allows("on").allowed(), "on");
}
