//! The PROXY header without I/O.

mod crc32c;
mod decoder;
mod encode;
mod error;
mod tlv;
mod v1;
mod v2;

pub use decoder::HeaderDecoder;
pub use encode::encode;
pub use error::HeaderError;

use std::net::SocketAddr;

/// Most bytes of an accepted header.
pub const MAX_HEADER_BYTES: usize = 1024;

/// Converts a v4-mapped IPv6 address to IPv4.
///
/// Both then count as one peer.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests;
