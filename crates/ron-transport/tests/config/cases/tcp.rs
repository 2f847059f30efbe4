//! The keys of TCP.

use super::{case, Case};

pub(super) const TCP: &[Case] = &[
    case(
        "tcp.nodelay",
        "true",
        ["OFF", "false"],
        ["no", "on, off, true or false"],
    ),
    case(
        "tcp.keepalive",
        "60s",
        ["0", "off"],
        ["1500ms", "whole seconds, 1s to 32767s"],
    ),
    case(
        "tcp.user_timeout",
        "off",
        ["30s", "30s"],
        ["577h", "1ms to 576h"],
    ),
    case("tcp.backlog", "1024", ["128", "128"], ["0", "at least 1"]),
    case(
        "tcp.reuse_port",
        "false",
        ["On", "true"],
        ["1", "on, off, true or false"],
    ),
    case("tcp.mptcp", "false", ["on", "true"], ["maybe", "on, off"]),
    case(
        "tcp.fast_open",
        "0",
        ["16", "16"],
        ["65536", "0 (off) to 65535"],
    ),
    case("tcp.fwmark", "0", ["7", "7"], ["-1", "a whole number"]),
    case("tcp.dscp", "0", ["46", "46"], ["64", "0 to 63"]),
    case("bind_device", "", ["lo", "lo"], ["a/b", "network device"]),
    case(
        "dial.source_addr",
        "",
        ["127.0.0.2, ::1", "127.0.0.2,::1"],
        ["127.0.0.1,127.0.0.2", "at most one IPv4"],
    ),
    case(
        "dial.fast_open",
        "false",
        ["on", "true"],
        ["maybe", "on, off"],
    ),
    case(
        "dial.bind_device",
        "",
        ["lo", "lo"],
        ["a/b", "network device"],
    ),
];
