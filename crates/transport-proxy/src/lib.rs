//! The PROXY protocol and dials through proxies, over any raw backend.
//!
//! A balancer puts a header before the first byte of each connection: the addresses of the client,
//! and in version 2 facts about the client's TLS session. The specification is HAProxy's
//! [proxy-protocol.txt].
//!
//! - [`raw::ProxyListener`] reads the header of connections from trusted hops. TLS goes above it:
//!   `TlsListener::over(ProxyListener::over(tcp, …), …)`.
//! - [`raw::ProxyDialer`] writes a header as the first bytes of a dialed connection.
//! - [`HeaderDecoder`] and [`encode`] are the protocol without I/O.
//! - [`raw::ViaDialer`] dials through a SOCKS5 or HTTP proxy, and [`TunnelHandshake`] is its
//!   negotiation without I/O.
//!
//! This crate enforces no limit. A guard of `transport-limits` applies the deadline of the header
//! and the limits for single peers.
//!
//! # Strictness
//!
//! A header is refused that is longer than 1,024 bytes, whose CRC32C differs, that has a truncated
//! or repeated field, or whose version 1 line does not follow the grammar byte for byte. `LOCAL`,
//! `UNKNOWN`, and addresses of Unix sockets leave the peer unknown: the connection keeps the hop's
//! address. Fields of unknown types are skipped. The decoder reports how many bytes it wants, so that
//! no byte after the header is read from the socket and no stream needs a buffer for leftovers.
//!
//! # Why there is no parser crate below
//!
//! The parsers on crates.io were examined in versions `ppp` 2.3.0, `proxy-header` 0.1.3 and
//! `proxy-protocol-codec` 0.3.1. None reports the number of bytes that may be read next, so each needs
//! a buffer that outlives the header. `ppp` and `proxy-header` expose the CRC32C field and do not
//! check it, and `ppp` states no minimum Rust version. `proxy-protocol-codec` needs Rust 1.83, above the
//! 1.80 of this crate. The parser here is smaller than an adapter with these checks would be.
//!
//! # Why there is no client crate for SOCKS5 and CONNECT
//!
//! These were examined: `tokio-socks` 0.5.3, `fast-socks5` 1.0.0, `hyper-util` 0.1.21 and
//! `async-http-proxy` 1.2.5. The tunnel of `hyper-util` reads up to 8 KiB and drops bytes after the
//! reply, so the greeting of a target that speaks first is lost. `async-http-proxy` reads lines of any
//! length. Each of the two SOCKS5 crates reads exactly the reply, but copies the password into a buffer
//! that is not zeroed, states no minimum Rust version, and has no negotiation without I/O to test with
//! every split. A client for CONNECT is needed in any case, and both together are smaller than an
//! adapter for two crates with two kinds of errors.
//!
//! [proxy-protocol.txt]: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

mod announce;
mod config;
mod header;
pub mod raw;
mod tunnel;
mod via;

pub use announce::{announce, circuit_addr};
pub use config::{ProxyConfig, ProxySend, TrustedHops};
pub use header::{encode, HeaderDecoder, HeaderError, MAX_HEADER_BYTES};
pub use transport_core::{self, Proxied, ProxiedAddrs, ProxiedTls, ProxyVersion, Reloadable};
pub use transport_limits::{self, Limiter, Limits};
pub use tunnel::{TunnelError, TunnelHandshake, MAX_HEAD_BYTES};
pub use via::ViaProxy;
