//! The table of keys, as documented in the manual.

mod tcp;
#[cfg(feature = "tls")]
mod tls;

/// A key: its default, and values that it accepts and rejects.
pub(crate) struct Case {
    pub(crate) path: &'static str,
    pub(crate) default: &'static str,
    /// A value as a file writes it.
    pub(crate) written: &'static str,
    /// The same value as `check` prints it.
    pub(crate) want: &'static str,
    /// A rejected value; empty if the key accepts any value.
    pub(crate) bad: &'static str,
    /// A part of the error text.
    pub(crate) error: &'static str,
}

const fn case(
    path: &'static str,
    default: &'static str,
    [written, want]: [&'static str; 2],
    [bad, error]: [&'static str; 2],
) -> Case {
    Case {
        path,
        default,
        written,
        want,
        bad,
        error,
    }
}

/// Every key of this build, in the order of the manual.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let groups: &[&[Case]] = &[
        GENERAL,
        LIMITS,
        tcp::TCP,
        PROXY,
        #[cfg(feature = "tls")]
        tls::TLS,
        #[cfg(feature = "uds")]
        UDS,
        #[cfg(feature = "arti")]
        ARTI,
    ];
    groups.iter().copied().flatten()
}

const PROXY: &[Case] = &[
    case(
        "proxy.trusted",
        "",
        ["10.0.0.0/8, unix, ::1", "10.0.0.0/8,::1/128,unix"],
        ["10.0.0.1/8", "10.0.0.0/8"],
    ),
    case(
        "proxy.required",
        "false",
        ["on", "true"],
        ["maybe", "on, off"],
    ),
    case(
        "proxy.header_timeout",
        "3s",
        ["250ms", "250ms"],
        ["61s", "10ms to 60s"],
    ),
    case("proxy.send", "off", ["v2", "v2"], ["v3", "off, v1 or v2"]),
    case(
        "dial.via",
        "",
        ["socks5h://u:p@proxy:1080", "socks5://<set>@proxy:1080"],
        ["https://proxy:443", "must be socks5://HOST:PORT"],
    ),
];

const GENERAL: &[Case] = &[
    case(
        "preset",
        "server",
        ["edge", "edge"],
        ["Edge", "server, edge or public"],
    ),
    case(
        "backend",
        "tcp",
        ["tcp", "tcp"],
        ["udp", "tcp, tls, uds or arti"],
    ),
    case(
        "bind_addr",
        "",
        ["127.0.0.1:9444, [::1]:9444", "127.0.0.1:9444,[::1]:9444"],
        ["localhost:9444", "127.0.0.1:9444"],
    ),
    case("drain_timeout", "5s", ["2m", "2m"], ["25h", "0 to 24h"]),
];

const LIMITS: &[Case] = &[
    case("max_conns", "1024", ["5", "5"], ["0", "at least 1"]),
    case(
        "overflow",
        "refuse",
        ["evict", "evict"],
        ["drop", "refuse or evict"],
    ),
    case("evict_after", "10s", ["2m", "2m"], ["999ms", "at least 1s"]),
    case(
        "peers.allow",
        "",
        ["10.0.0.0/8, ::1", "10.0.0.0/8,::1/128"],
        ["10.0.0.1/8", "10.0.0.0/8"],
    ),
    case(
        "peers.deny",
        "",
        ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
        ["10.0.0.0/33", "as peers.allow"],
    ),
    case(
        "read_timeout",
        "5s",
        ["250ms", "250ms"],
        ["5", "such as 250ms, 5s or 2m"],
    ),
    case("write_timeout", "5s", ["1h", "60m"], ["0", "over 0"]),
    case(
        "idle_timeout",
        "60s",
        ["0s", "0s"],
        ["999ms", "0 is off, else at least 1s"],
    ),
    case(
        "dial_idle_timeout",
        "",
        ["0s", "0s"],
        ["999ms", "unset is idle_timeout"],
    ),
    case("half_close_timeout", "60s", ["5m", "5m"], ["0", "over 0"]),
    case(
        "handshake_timeout",
        "10s",
        ["60s", "60s"],
        ["off", "over 0"],
    ),
    case(
        "dial_timeout",
        "10s",
        ["1500ms", "1500ms"],
        ["1d", "such as 250ms, 5s or 2m"],
    ),
    case(
        "max_lifetime",
        "0s",
        ["off", "0s"],
        ["-1s", "such as 250ms, 5s or 2m"],
    ),
    case(
        "limits.max_frame_bytes",
        "1MiB",
        ["512KiB", "512KiB"],
        ["2MiB", "64KiB to 1MiB"],
    ),
    case(
        "limits.chunk_bytes",
        "64KiB",
        ["8192", "8KiB"],
        ["1KiB", "4KiB to 256KiB"],
    ),
    case(
        "limits.writer_inbox",
        "256",
        ["1", "1"],
        ["65537", "1 to 65536"],
    ),
    case(
        "limits.memory_bytes",
        "256MiB",
        ["16777216", "16MiB"],
        ["255KiB", "256KiB to 1024GiB"],
    ),
    case(
        "limits.max_pending_handshakes",
        "256",
        ["9", "9"],
        ["0", "at least 1"],
    ),
    case(
        "rates.per_conn_bytes_per_sec",
        "0",
        ["1MiB", "1MiB"],
        ["1MB", "such as 64KiB, 8MiB"],
    ),
    case(
        "rates.per_peer_bytes_per_sec",
        "0",
        ["13108", "13108"],
        ["13107", "at least 13108"],
    ),
    case(
        "rates.global_ingress_bytes_per_sec",
        "0",
        ["1 GiB", "1GiB"],
        ["1.5MiB", "such as 64KiB, 8MiB"],
    ),
    case(
        "rates.global_egress_bytes_per_sec",
        "0",
        ["off", "0"],
        ["256TiB", "such as 64KiB, 8MiB"],
    ),
    case(
        "rates.accepts_per_sec",
        "0",
        ["100", "100"],
        ["4294967296", "at most 4294967295"],
    ),
    case(
        "per_peer.accepts_per_sec",
        "0",
        ["7", "7"],
        ["-7", "a whole number"],
    ),
    case(
        "per_peer.max_conns",
        "0",
        ["2", "2"],
        ["two", "a whole number"],
    ),
    case(
        "per_peer.pending_handshakes",
        "0",
        ["16", "16"],
        ["auto", "a whole number"],
    ),
    case(
        "per_peer.ipv4_prefix",
        "32",
        ["24", "24"],
        ["33", "8 to 32"],
    ),
    case(
        "per_peer.ipv6_prefix",
        "64",
        ["56", "56"],
        ["129", "32 to 128"],
    ),
    case(
        "amnesia",
        "false",
        ["ON", "true"],
        ["1", "on, off, true or false"],
    ),
];

#[cfg(feature = "uds")]
const UDS: &[Case] = &[
    case(
        "uds.path",
        "",
        ["/run/ron/sock", "/run/ron/sock"],
        ["ron.sock", "an absolute path"],
    ),
    case("uds.allow_uids", "", ["7, 5,7", "5,7"], ["alice", "no uid"]),
];

#[cfg(feature = "arti")]
const ARTI: &[Case] = &[
    case(
        "arti.bootstrap_timeout",
        "30s",
        ["2m", "2m"],
        ["0", "over 0, at most 24h"],
    ),
    case(
        "arti.pre_dial_delay",
        "0s",
        ["9s", "9s"],
        ["61s", "0 to 60s"],
    ),
    case(
        "arti.dial_while_bootstrapping",
        "fail",
        ["wait", "wait"],
        ["no", "fail or wait"],
    ),
    case(
        "arti.isolation",
        "destination",
        ["stream", "stream"],
        ["all", "none, destination or stream"],
    ),
    case(
        "arti.state_dir",
        "",
        ["/a/b", "/a/b"],
        ["b", "an absolute path"],
    ),
    case(
        "arti.cache_dir",
        "",
        ["/a/b", "/a/b"],
        ["b", "an absolute path"],
    ),
    case(
        "arti.config_path",
        "",
        ["/a/b", "/a/b"],
        ["b", "an absolute path"],
    ),
    case(
        "arti.onion_service.enabled",
        "false",
        ["on", "true"],
        ["yes", "on, off, true or false"],
    ),
    case(
        "arti.onion_service.nickname",
        "ron",
        ["a-b", "a-b"],
        ["A", "1 to 64 of a to z"],
    ),
    case(
        "arti.onion_service.ports",
        "80",
        ["80, 443", "80,443"],
        ["0", "1 to 65535"],
    ),
    case(
        "arti.onion_service.identity_path",
        "",
        ["/a/b", "<set>"],
        ["b", "an absolute path"],
    ),
    case(
        "arti.onion_service.client_keys_path",
        "",
        ["/a/b", "<set>"],
        ["b", "an absolute path"],
    ),
    case(
        "arti.onion_service.pow",
        "false",
        ["on", "true"],
        ["1", "on, off, true or false"],
    ),
];
