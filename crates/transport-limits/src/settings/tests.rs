use std::time::Duration;

use transport_core::schema::Section;

use super::{ByteRates, Deadlines, Limits};
use crate::cidr::IpPrefixes;

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

#[test]
fn peer_lists_are_returned() {
    let list = |items: &[&str]| IpPrefixes::parse(items).unwrap();
    let limits = Limits::new()
        .with_allowed_peers(list(&["10.0.0.0/8"]))
        .with_denied_peers(list(&["10.9.0.0/16"]));
    assert_eq!(limits.allowed_peers(), &list(&["10.0.0.0/8"]));
    assert_eq!(limits.denied_peers(), &list(&["10.9.0.0/16"]));
}

#[test]
fn largest_values_are_taken() {
    let most = (1_u64 << 48) - 1;
    for set in [
        |rates: &mut ByteRates, n| rates.per_conn = n,
        |rates: &mut ByteRates, n| rates.per_peer = n,
        |rates: &mut ByteRates, n| rates.global_ingress = n,
        |rates: &mut ByteRates, n| rates.global_egress = n,
    ] {
        for (rate, fits) in [(most, true), (most + 1, false)] {
            let mut rates = ByteRates::default();
            set(&mut rates, rate);
            assert_eq!(Limits::new().with_rates(rates).is_ok(), fits, "{rates:?}");
        }
    }
    let most = u64::from(u32::MAX);
    for (accepts, fits) in [(most, true), (most + 1, false)] {
        let mut limits = Limits::new();
        assert_eq!(limits.set_accept_rates(accepts, 0).is_ok(), fits);
        assert_eq!(limits.set_accept_rates(0, accepts).is_ok(), fits);
    }
    let most = Duration::from_secs(10 * 365 * 24 * 3600);
    for (life, fits) in [(most, true), (most + Duration::from_nanos(1), false)] {
        let deadlines = Deadlines::default().with_lifetime(life);
        assert_eq!(Limits::new().with_deadlines(deadlines).is_ok(), fits);
    }
}

#[test]
fn amnesia_keeps_other_settings() {
    let limits = Limits::new().with_max_conns(7).unwrap().with_amnesia(true);
    assert_eq!((limits.max_conns(), limits.amnesia()), (7, true));
}
