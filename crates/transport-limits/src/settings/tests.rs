use transport_core::schema::Section;

use super::Limits;

#[test]
fn every_default_can_be_set() {
    let mut limits = Limits::default();
    for key in limits.keys() {
        let default = limits.get(key.path).unwrap();
        limits.set(key.path, &default.as_str().into()).unwrap();
    }
    assert_eq!(limits, Limits::default());
    assert!(limits.check().is_empty());
}

#[test]
fn refused_value_changes_nothing() {
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
fn memory_below_four_frames_conflicts() {
    let mut limits = Limits::default();
    limits.set("limits.memory_bytes", &"4MiB".into()).unwrap();
    assert!(limits.check().is_empty());
    limits
        .set("limits.memory_bytes", &"4194303".into())
        .unwrap();
    let conflicts = limits.check();
    assert_eq!(conflicts[0].0, "limits.memory_bytes");
}

#[test]
fn rate_below_chunk_per_deadline_conflicts() {
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
