//! The limits as configuration keys.

use transport_core::schema::{
    format_bool, format_duration, format_size, parse_bool, parse_count, parse_duration, parse_size,
    Key, Kind, Raw, Reload, Section, ValueError,
};

use super::Limits;

const fn key(
    path: &'static str,
    kind: Kind,
    default: &'static str,
    rule: &'static str,
    reload: Reload,
    doc: &'static str,
) -> Key {
    Key {
        path,
        kind,
        default,
        rule,
        reload,
        doc,
    }
}

const RATE_RULE: &str = "0 (off) or at least chunk_bytes / min(read_timeout, write_timeout)";

const KEYS: &[Key] = &[
    key(
        "max_conns",
        Kind::Count,
        "1024",
        "at least 1",
        Reload::Live,
        "Accepted connections at a time; one more is refused as `conn_limit`.",
    ),
    key(
        "read_timeout",
        Kind::Duration,
        "5s",
        "over 0",
        Reload::New,
        "Deadline of a read for which data is owed.",
    ),
    key(
        "write_timeout",
        Kind::Duration,
        "5s",
        "over 0",
        Reload::New,
        "Deadline of a write of up to `limits.chunk_bytes` and its flush.",
    ),
    key(
        "idle_timeout",
        Kind::Duration,
        "60s",
        "at least 1s",
        Reload::New,
        "Ends a connection without a byte in either direction for this long.",
    ),
    key(
        "handshake_timeout",
        Kind::Duration,
        "10s",
        "over 0",
        Reload::New,
        "Deadline from accept to established.",
    ),
    key(
        "dial_timeout",
        Kind::Duration,
        "10s",
        "over 0",
        Reload::New,
        "Deadline of resolve, connect and handshake together.",
    ),
    key(
        "max_lifetime",
        Kind::Duration,
        "0s",
        "0 is off",
        Reload::New,
        "Ends a connection of this age.",
    ),
    key(
        "limits.max_frame_bytes",
        Kind::Size,
        "1MiB",
        "64KiB to 1MiB",
        Reload::New,
        "Largest frame body; a longer announcement is refused as `too_large`.",
    ),
    key(
        "limits.chunk_bytes",
        Kind::Size,
        "64KiB",
        "4KiB to 256KiB, at most max_frame_bytes",
        Reload::New,
        "Bytes that one rate-limited operation moves at most.",
    ),
    key(
        "limits.writer_inbox",
        Kind::Count,
        "256",
        "1 to 65536",
        Reload::New,
        "Frames that wait for a connection's writer.",
    ),
    key(
        "limits.memory_bytes",
        Kind::Size,
        "256MiB",
        "256KiB to 1024GiB, at least 4 x max_frame_bytes",
        Reload::Live,
        "Bytes held for all peers together: partial frames, frames that a handler holds, writer \
         inboxes, remainders of relays. One peer may hold a quarter, and no more than is free; then \
         its reads park.",
    ),
    key(
        "limits.max_pending_handshakes",
        Kind::Count,
        "256",
        "at least 1",
        Reload::Live,
        "Handshakes under way; one more is refused as `handshake_limit`.",
    ),
    key(
        "rates.per_conn_bytes_per_sec",
        Kind::Size,
        "0",
        RATE_RULE,
        Reload::Live,
        "Byte rate of each connection, in each direction.",
    ),
    key(
        "rates.per_peer_bytes_per_sec",
        Kind::Size,
        "0",
        RATE_RULE,
        Reload::Live,
        "Byte rate of all accepted connections of one peer, in each direction.",
    ),
    key(
        "rates.global_ingress_bytes_per_sec",
        Kind::Size,
        "0",
        RATE_RULE,
        Reload::Live,
        "Byte rate of all connections together, inbound.",
    ),
    key(
        "rates.global_egress_bytes_per_sec",
        Kind::Size,
        "0",
        RATE_RULE,
        Reload::Live,
        "Byte rate of all connections together, outbound.",
    ),
    key(
        "rates.accepts_per_sec",
        Kind::Count,
        "0",
        "0 is off",
        Reload::Live,
        "Accepts per second; one more is refused as `rate_limited`.",
    ),
    key(
        "per_peer.accepts_per_sec",
        Kind::Count,
        "0",
        "0 is off",
        Reload::Live,
        "Accepts per second of one peer; one more is refused as `rate_limited`.",
    ),
    key(
        "per_peer.max_conns",
        Kind::Count,
        "0",
        "0 is off",
        Reload::Live,
        "Connections of one peer at a time; one more is refused as `peer_limit`.",
    ),
    key(
        "per_peer.ipv6_prefix",
        Kind::Count,
        "64",
        "32 to 128",
        Reload::Restart,
        "Leading bits of an IPv6 address that make one peer.",
    ),
    key(
        "amnesia",
        Kind::Bool,
        "false",
        "on or off",
        Reload::Restart,
        "Leaves nothing behind: nothing is written to disk, and buffers are wiped before they are \
         freed.",
    ),
];

impl Section for Limits {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        let text = value.text()?;
        let (mut d, mut r) = (self.deadlines, self.rates);
        match path {
            "max_conns" => self.set_max_conns(parse_count(text)?)?,
            "read_timeout" => {
                d.read = parse_duration(text)?;
                self.set_deadlines(d)?
            }
            "write_timeout" => {
                d.write = parse_duration(text)?;
                self.set_deadlines(d)?
            }
            "idle_timeout" => {
                d.idle = parse_duration(text)?;
                self.set_deadlines(d)?
            }
            "handshake_timeout" => {
                d.handshake = parse_duration(text)?;
                self.set_deadlines(d)?
            }
            "dial_timeout" => {
                d.dial = parse_duration(text)?;
                self.set_deadlines(d)?
            }
            "max_lifetime" => {
                d.lifetime = parse_duration(text)?;
                self.set_deadlines(d)?
            }
            "limits.max_frame_bytes" => self.set_max_frame_bytes(parse_size(text)?)?,
            "limits.chunk_bytes" => self.set_chunk_bytes(parse_size(text)?)?,
            "limits.writer_inbox" => self.set_writer_inbox(parse_count(text)?)?,
            "limits.memory_bytes" => self.set_memory_bytes(parse_size(text)?)?,
            "limits.max_pending_handshakes" => {
                self.set_max_pending_handshakes(parse_count(text)?)?
            }
            "rates.per_conn_bytes_per_sec" => {
                r.per_conn = parse_size(text)?;
                self.set_rates(r)?
            }
            "rates.per_peer_bytes_per_sec" => {
                r.per_peer = parse_size(text)?;
                self.set_rates(r)?
            }
            "rates.global_ingress_bytes_per_sec" => {
                r.global_ingress = parse_size(text)?;
                self.set_rates(r)?
            }
            "rates.global_egress_bytes_per_sec" => {
                r.global_egress = parse_size(text)?;
                self.set_rates(r)?
            }
            "rates.accepts_per_sec" => {
                self.set_accept_rates(parse_count(text)?, self.peer_accepts_per_sec)?
            }
            "per_peer.accepts_per_sec" => {
                self.set_accept_rates(self.accepts_per_sec, parse_count(text)?)?
            }
            "per_peer.max_conns" => self.set_peer_max_conns(parse_count(text)?)?,
            "per_peer.ipv6_prefix" => self.set_ipv6_prefix(parse_count(text)?)?,
            "amnesia" => self.set_amnesia(parse_bool(text)?),
            _ => return Err(ValueError::new("no such key")),
        };
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        let (d, r) = (self.deadlines, self.rates);
        Some(match path {
            "max_conns" => self.max_conns.to_string(),
            "read_timeout" => format_duration(d.read),
            "write_timeout" => format_duration(d.write),
            "idle_timeout" => format_duration(d.idle),
            "handshake_timeout" => format_duration(d.handshake),
            "dial_timeout" => format_duration(d.dial),
            "max_lifetime" => format_duration(d.lifetime),
            "limits.max_frame_bytes" => format_size(self.max_frame_bytes as u64),
            "limits.chunk_bytes" => format_size(self.chunk_bytes as u64),
            "limits.writer_inbox" => self.writer_inbox.to_string(),
            "limits.memory_bytes" => format_size(self.memory_bytes),
            "limits.max_pending_handshakes" => self.max_pending_handshakes.to_string(),
            "rates.per_conn_bytes_per_sec" => format_size(r.per_conn),
            "rates.per_peer_bytes_per_sec" => format_size(r.per_peer),
            "rates.global_ingress_bytes_per_sec" => format_size(r.global_ingress),
            "rates.global_egress_bytes_per_sec" => format_size(r.global_egress),
            "rates.accepts_per_sec" => self.accepts_per_sec.to_string(),
            "per_peer.accepts_per_sec" => self.peer_accepts_per_sec.to_string(),
            "per_peer.max_conns" => self.peer_max_conns.to_string(),
            "per_peer.ipv6_prefix" => self.ipv6_prefix.to_string(),
            "amnesia" => format_bool(self.amnesia),
            _ => return None,
        })
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        self.broken_rules()
    }
}

#[cfg(test)]
mod tests {
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
            ("read_timeout", "0"),
            ("idle_timeout", "999ms"),
            ("limits.max_frame_bytes", "2MiB"),
            ("limits.chunk_bytes", "1KiB"),
            ("limits.writer_inbox", "0"),
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
}
