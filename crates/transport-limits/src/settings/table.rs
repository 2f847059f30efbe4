//! The keys of the limits.

use std::time::Duration;

use transport_core::schema::{
    format_bool, format_duration, format_size, Choice, Key, Kind, Raw, Reload, SectionTable,
    Setting, ValueError,
};

use super::{conflicts, ByteRates, Deadlines, Limits, Overflow};
use crate::cidr::IpPrefixes;

const RATE_RULE: &str = "0 (off) or at least chunk_bytes / min(read_timeout, write_timeout)";

impl SectionTable for Limits {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new("max_conns", Kind::Count, Reload::Live)
            .allows("at least 1")
            .doc(
                "Accepted connections at a time; one more is refused as `conn_limit`, or evicts \
                 an idle one.",
            )
            .get(|l: &Self| l.max_conns.to_string())
            .set(|l, value| l.set_max_conns(value.count()?).map(drop)),
        Key::new("overflow", Kind::Choice(Overflow::WORDS), Reload::Live)
            .doc(
                "At `max_conns`: refuses a new connection, or ends an idle one in order for it \
                 (`evicted`).",
            )
            .get(|l: &Self| l.overflow.as_str().to_owned())
            .set(|l, value| value.choice().map(|overflow| l.overflow = overflow)),
        Key::new("evict_after", Kind::Duration, Reload::Live)
            .allows("at least 1s")
            .doc("Idle time after which a connection can be evicted.")
            .get(|l: &Self| format_duration(l.evict_after))
            .set(|l, value| l.set_evict_after(value.duration()?).map(drop)),
        Key::new("peers.allow", Kind::List, Reload::Live)
            .allows("prefixes such as 10.0.0.0/8, 2001:db8::/32, or addresses; empty allows all")
            .doc(
                "IP peers that may connect; others are refused as `denied` before any work. \
                 Open connections stay.",
            )
            .get(|l: &Self| l.allow.to_string())
            .set(|l, value| {
                l.set_allowed_peers(IpPrefixes::parse(&value.list())?);
                Ok(())
            }),
        Key::new("peers.deny", Kind::List, Reload::Live)
            .allows("as peers.allow")
            .doc("IP peers that are refused as `denied`, also where `peers.allow` lists them.")
            .get(|l: &Self| l.deny.to_string())
            .set(|l, value| {
                l.set_denied_peers(IpPrefixes::parse(&value.list())?);
                Ok(())
            }),
        Key::new("read_timeout", Kind::Duration, Reload::New)
            .allows("over 0")
            .doc("Longest read for which the peer owes data.")
            .get(|l: &Self| format_duration(l.deadlines.read))
            .set(|l, value| set_deadline(l, value, |d| &mut d.read)),
        Key::new("write_timeout", Kind::Duration, Reload::New)
            .allows("over 0")
            .doc("While a write waits, the peer must read `limits.chunk_bytes` within this time.")
            .get(|l: &Self| format_duration(l.deadlines.write))
            .set(|l, value| set_deadline(l, value, |d| &mut d.write)),
        Key::new("idle_timeout", Kind::Duration, Reload::New)
            .allows("0 is off, else at least 1s")
            .doc("Ends a connection without a byte in either direction for this long.")
            .get(|l: &Self| format_duration(l.deadlines.idle))
            .set(|l, value| set_deadline(l, value, |d| &mut d.idle)),
        Key::new("dial_idle_timeout", Kind::Duration, Reload::New)
            .allows("unset is idle_timeout, 0 is off, else at least 1s")
            .doc("As `idle_timeout`, for dialed connections; a relay ends at the earlier of both.")
            .get(|l: &Self| {
                l.deadlines
                    .dial_idle
                    .map_or_else(String::new, format_duration)
            })
            .set(|l, value| {
                let is_set = !value.text()?.is_empty();
                let mut deadlines = l.deadlines;
                deadlines.dial_idle = is_set.then(|| value.duration()).transpose()?;
                l.set_deadlines(deadlines).map(drop)
            }),
        Key::new("half_close_timeout", Kind::Duration, Reload::New)
            .allows("over 0")
            .doc("Ends a half-closed connection without a byte for this long.")
            .get(|l: &Self| format_duration(l.deadlines.half_close))
            .set(|l, value| set_deadline(l, value, |d| &mut d.half_close)),
        Key::new("handshake_timeout", Kind::Duration, Reload::New)
            .allows("over 0")
            .doc("Deadline from accept to established.")
            .get(|l: &Self| format_duration(l.deadlines.handshake))
            .set(|l, value| set_deadline(l, value, |d| &mut d.handshake)),
        Key::new("dial_timeout", Kind::Duration, Reload::New)
            .allows("over 0")
            .doc("Deadline of resolve, connect and handshake together.")
            .get(|l: &Self| format_duration(l.deadlines.dial))
            .set(|l, value| set_deadline(l, value, |d| &mut d.dial)),
        Key::new("max_lifetime", Kind::Duration, Reload::New)
            .allows("0 is off")
            .doc(
                "Ends a connection of this age; each connection draws its own between 90 % and \
                 100 % of it.",
            )
            .get(|l: &Self| format_duration(l.deadlines.lifetime))
            .set(|l, value| set_deadline(l, value, |d| &mut d.lifetime)),
        Key::new("limits.max_frame_bytes", Kind::Size, Reload::New)
            .allows("64KiB to 1MiB")
            .doc("Largest frame body; a longer announcement is refused as `too_large`.")
            .get(|l: &Self| format_size(l.max_frame_bytes as u64))
            .set(|l, value| l.set_max_frame_bytes(value.size()?).map(drop)),
        Key::new("limits.chunk_bytes", Kind::Size, Reload::New)
            .allows("4KiB to 256KiB, at most max_frame_bytes")
            .doc("Bytes that one rate-limited operation moves at most.")
            .get(|l: &Self| format_size(l.chunk_bytes as u64))
            .set(|l, value| l.set_chunk_bytes(value.size()?).map(drop)),
        Key::new("limits.writer_inbox", Kind::Count, Reload::New)
            .allows("1 to 65536")
            .doc("Frames that wait for a connection's writer.")
            .get(|l: &Self| l.writer_inbox.to_string())
            .set(|l, value| l.set_writer_inbox(value.count()?).map(drop)),
        Key::new("limits.memory_bytes", Kind::Size, Reload::Live)
            .allows("256KiB to 1024GiB, at least 4 x max_frame_bytes")
            .doc(
                "Bytes held for all peers together: partial frames, frames that a handler \
                 holds, writer inboxes, remainders of relays. One peer may hold a quarter, and \
                 no more than is free; then its reads park.",
            )
            .get(|l: &Self| format_size(l.memory_bytes))
            .set(|l, value| l.set_memory_bytes(value.size()?).map(drop)),
        Key::new("limits.max_pending_handshakes", Kind::Count, Reload::Live)
            .allows("at least 1")
            .doc("Handshakes under way; one more is refused as `handshake_limit`.")
            .get(|l: &Self| l.max_pending_handshakes.to_string())
            .set(|l, value| l.set_max_pending_handshakes(value.count()?).map(drop)),
        Key::new("rates.per_conn_bytes_per_sec", Kind::Size, Reload::Live)
            .allows(RATE_RULE)
            .doc("Byte rate of each connection, in each direction.")
            .get(|l: &Self| format_size(l.rates.per_conn))
            .set(|l, value| set_rate(l, value, |r| &mut r.per_conn)),
        Key::new("rates.per_peer_bytes_per_sec", Kind::Size, Reload::Live)
            .allows(RATE_RULE)
            .doc("Byte rate of all accepted connections of one peer, in each direction.")
            .get(|l: &Self| format_size(l.rates.per_peer))
            .set(|l, value| set_rate(l, value, |r| &mut r.per_peer)),
        Key::new(
            "rates.global_ingress_bytes_per_sec",
            Kind::Size,
            Reload::Live,
        )
        .allows(RATE_RULE)
        .doc("Byte rate of all connections together, inbound.")
        .get(|l: &Self| format_size(l.rates.global_ingress))
        .set(|l, value| set_rate(l, value, |r| &mut r.global_ingress)),
        Key::new(
            "rates.global_egress_bytes_per_sec",
            Kind::Size,
            Reload::Live,
        )
        .allows(RATE_RULE)
        .doc("Byte rate of all connections together, outbound.")
        .get(|l: &Self| format_size(l.rates.global_egress))
        .set(|l, value| set_rate(l, value, |r| &mut r.global_egress)),
        Key::new("rates.accepts_per_sec", Kind::Count, Reload::Live)
            .allows("0 is off")
            .doc("Accepts per second; one more is refused as `rate_limited`.")
            .get(|l: &Self| l.accepts_per_sec.to_string())
            .set(|l, value| {
                l.set_accept_rates(value.count()?, l.peer_accepts_per_sec)
                    .map(drop)
            }),
        Key::new("per_peer.accepts_per_sec", Kind::Count, Reload::Live)
            .allows("0 is off")
            .doc("Accepts per second of one peer; one more is refused as `rate_limited`.")
            .get(|l: &Self| l.peer_accepts_per_sec.to_string())
            .set(|l, value| {
                l.set_accept_rates(l.accepts_per_sec, value.count()?)
                    .map(drop)
            }),
        Key::new("per_peer.max_conns", Kind::Count, Reload::Live)
            .allows("0 is off")
            .doc("Connections of one peer at a time; one more is refused as `peer_limit`.")
            .get(|l: &Self| l.peer_max_conns.to_string())
            .set(|l, value| l.set_peer_max_conns(value.count()?).map(drop)),
        Key::new("per_peer.pending_handshakes", Kind::Count, Reload::Live)
            .allows("0 is the automatic share")
            .doc(
                "Handshakes of one peer under way; one more is refused as `handshake_limit`. \
                 The automatic share is a quarter of `limits.max_pending_handshakes`, no more \
                 than are free, and at least 4.",
            )
            .get(|l: &Self| l.peer_pending_handshakes.to_string())
            .set(|l, value| l.set_peer_pending_handshakes(value.count()?).map(drop)),
        Key::new("per_peer.ipv4_prefix", Kind::Count, Reload::Restart)
            .allows("8 to 32")
            .doc("Leading bits of an IPv4 address that identify a peer.")
            .get(|l: &Self| l.ipv4_prefix.to_string())
            .set(|l, value| l.set_ipv4_prefix(value.count()?).map(drop)),
        Key::new("per_peer.ipv6_prefix", Kind::Count, Reload::Restart)
            .allows("32 to 128")
            .doc("Leading bits of an IPv6 address that identify a peer.")
            .get(|l: &Self| l.ipv6_prefix.to_string())
            .set(|l, value| l.set_ipv6_prefix(value.count()?).map(drop)),
        Key::new("amnesia", Kind::Bool, Reload::Restart)
            .doc("Wipes buffers before they are freed, and writes nothing to disk.")
            .get(|l: &Self| format_bool(l.amnesia))
            .set(|l, value| value.bool().map(|on| l.amnesia = on)),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        conflicts::find(self)
    }
}

fn set_deadline(
    limits: &mut Limits,
    value: &Raw,
    field: fn(&mut Deadlines) -> &mut Duration,
) -> Result<(), ValueError> {
    let mut deadlines = limits.deadlines;
    *field(&mut deadlines) = value.duration()?;
    limits.set_deadlines(deadlines).map(drop)
}

fn set_rate(
    limits: &mut Limits,
    value: &Raw,
    field: fn(&mut ByteRates) -> &mut u64,
) -> Result<(), ValueError> {
    let mut rates = limits.rates;
    *field(&mut rates) = value.size()?;
    limits.set_rates(rates).map(drop)
}
