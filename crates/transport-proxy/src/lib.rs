//! The PROXY protocol, versions 1 and 2, over any raw backend.
//!
//! A balancer puts a header before the first byte of each connection: the addresses of the client,
//! and in version 2 facts about the client's TLS session. The specification is HAProxy's
//! [proxy-protocol.txt].
//!
//! - [`raw::ProxyListener`] reads the header of connections from trusted hops. TLS goes above it:
//!   `TlsListener::over(ProxyListener::over(tcp, …), …)`.
//! - [`raw::ProxyDialer`] writes a header as the first bytes of a dialed connection.
//! - [`HeaderDecoder`] and [`encode`] are the protocol without I/O.
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
//! [proxy-protocol.txt]: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

mod announce;
mod config;
mod header;
pub mod raw;

pub use announce::{announce, circuit_addr};
pub use config::{ProxyConfig, ProxySend, TrustedHops};
pub use header::{encode, HeaderDecoder, HeaderError, MAX_HEADER_BYTES};
pub use transport_core::{self, Proxied, ProxiedAddrs, ProxiedTls, ProxyVersion, Reloadable};
pub use transport_limits::{self, Limiter, Limits};
