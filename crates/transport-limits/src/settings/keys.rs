//! The limits as configuration keys.

use transport_core::schema::{
    format_bool, format_duration, format_size, parse_bool, parse_count, parse_duration, parse_size,
    Key, Kind, Raw, Reload, Section, ValueError,
};

use super::{entry, Limits};

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
        "Accepted connections at a time; one more is refused as `conn_limit`, or evicts an idle one.",
    ),
    key(
        "overflow",
        Kind::Choice(&["refuse", "evict"]),
        "refuse",
        "refuse or evict",
        Reload::Live,
        "At `max_conns`: refuses a new connection, or ends an idle one in order for it (`evicted`).",
    ),
    key(
        "evict_after",
        Kind::Duration,
        "10s",
        "at least 1s",
        Reload::Live,
        "How long a connection must have been idle before it can be evicted.",
    ),
    key(
        "peers.allow",
        Kind::List,
        "",
        "prefixes such as 10.0.0.0/8, 2001:db8::/32, or addresses; empty allows all",
        Reload::Live,
        "IP peers that may connect; others are refused as `denied` before any work. Open connections stay.",
    ),
    key(
        "peers.deny",
        Kind::List,
        "",
        "as peers.allow",
        Reload::Live,
        "IP peers that are refused as `denied`, also where `peers.allow` lists them.",
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
        "While a write waits, the peer must take `limits.chunk_bytes` within this.",
    ),
    key(
        "idle_timeout",
        Kind::Duration,
        "60s",
        "0 is off, else at least 1s",
        Reload::New,
        "Ends a connection without a byte in either direction for this long.",
    ),
    key(
        "half_close_timeout",
        Kind::Duration,
        "60s",
        "over 0",
        Reload::New,
        "Ends a connection of which one direction has ended, without a byte for this long.",
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
        "Ends a connection of this age; each connection draws its own between 90 % and 100 % of it.",
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
        "per_peer.pending_handshakes",
        Kind::Count,
        "0",
        "0 is the automatic share",
        Reload::Live,
        "Handshakes of one peer under way; one more is refused as `handshake_limit`. The automatic \
         share is a quarter of `limits.max_pending_handshakes`, no more than are free, and at least \
         4.",
    ),
    key(
        "per_peer.ipv4_prefix",
        Kind::Count,
        "32",
        "8 to 32",
        Reload::Restart,
        "Leading bits of an IPv4 address that make one peer.",
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
        if entry::set(self, path, value)? {
            return Ok(());
        }
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
            "half_close_timeout" => {
                d.half_close = parse_duration(text)?;
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
            "per_peer.pending_handshakes" => {
                self.set_peer_pending_handshakes(parse_count(text)?)?
            }
            "per_peer.ipv4_prefix" => self.set_ipv4_prefix(parse_count(text)?)?,
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
            "half_close_timeout" => format_duration(d.half_close),
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
            "per_peer.pending_handshakes" => self.peer_pending_handshakes.to_string(),
            "per_peer.ipv4_prefix" => self.ipv4_prefix.to_string(),
            "per_peer.ipv6_prefix" => self.ipv6_prefix.to_string(),
            "amnesia" => format_bool(self.amnesia),
            _ => return entry::get(self, path),
        })
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        self.broken_rules()
    }
}

#[cfg(test)]
mod tests;
