use super::*;

#[test]
fn every_default_is_what_the_struct_has_and_can_be_set() {
    let mut limits = Limits::default();
    for key in KEYS {
        assert_eq!(limits.get(key.path).unwrap(), key.default, "{}", key.path);
        limits.set(key.path, &key.default.into()).unwrap();
    }
    assert_eq!(limits, Limits::default());
    assert!(limits.check().is_empty());
}

#[test]
fn a_refused_value_changes_nothing() {
    let mut limits = Limits::default();
    for (path, value) in [
        ("max_conns", "0"),
        ("overflow", "drop"),
        ("evict_after", "999ms"),
        ("peers.allow", "10.0.0.1/8"),
        ("peers.deny", "10.0.0.0/8,localhost"),
        ("read_timeout", "0"),
        ("idle_timeout", "999ms"),
        ("limits.max_frame_bytes", "2MiB"),
        ("limits.chunk_bytes", "1KiB"),
        ("limits.writer_inbox", "0"),
        ("per_peer.ipv4_prefix", "7"),
        ("per_peer.ipv4_prefix", "33"),
        ("limits.memory_bytes", "255KiB"),
        ("per_peer.ipv6_prefix", "31"),
        ("amnesia", "1"),
        ("rates.accepts_per_sec", "-1"),
    ] {
        assert!(limits.set(path, &value.into()).is_err(), "{path}");
    }
    assert_eq!(limits, Limits::default());
}

#[test]
fn memory_below_four_frames_is_a_broken_rule() {
    let mut limits = Limits::default();
    limits.set("limits.memory_bytes", &"4MiB".into()).unwrap();
    assert!(limits.check().is_empty());
    limits
        .set("limits.memory_bytes", &"4194303".into())
        .unwrap();
    let broken = limits.check();
    assert_eq!(broken[0].0, "limits.memory_bytes");
}

#[test]
fn a_rate_below_one_chunk_per_deadline_is_a_broken_rule() {
    let mut limits = Limits::default();
    limits
        .set("rates.per_conn_bytes_per_sec", &"13107".into())
        .unwrap();
    assert_eq!(limits.check().len(), 1);
    limits
        .set("rates.per_conn_bytes_per_sec", &"13108".into())
        .unwrap();
    assert!(limits.check().is_empty());
}
