//! Version 2: a binary header with optional fields.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use transport_core::{Proxied, ProxiedAddrs, ProxyVersion};

use super::canonical;
use super::error::HeaderError;
use super::{tlv, MAX_HEADER_BYTES};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses.
pub(super) const FIXED: usize = 16;
/// Bytes of a Unix socket's path, padded with zeros.
pub(super) const UNIX_PATH: usize = 108;

/// Version 2 with the command `LOCAL`.
const LOCAL: u8 = 0x20;
/// Version 2 with the command `PROXY`.
pub(super) const PROXY: u8 = 0x21;

/// A family of addresses, and the protocol of a byte stream.
#[derive(Clone, Copy)]
pub(super) enum AddrFamily {
    /// No address.
    Unspec = 0x00,
    /// IPv4 over TCP.
    Inet = 0x11,
    /// IPv6 over TCP.
    Inet6 = 0x21,
    /// Unix stream sockets.
    Unix = 0x31,
}

impl AddrFamily {
    fn from_byte(byte: u8) -> Result<Self, HeaderError> {
        match byte {
            0x00 => Ok(Self::Unspec),
            0x11 => Ok(Self::Inet),
            0x21 => Ok(Self::Inet6),
            0x31 => Ok(Self::Unix),
            0x12 | 0x22 | 0x32 => Err(HeaderError::Malformed(
                "version 2: datagrams are announced on a byte stream",
            )),
            _ => Err(HeaderError::Malformed(
                "version 2: the family or the protocol of the addresses is unknown",
            )),
        }
    }

    /// Returns the bytes of both addresses.
    const fn addrs_len(self) -> usize {
        match self {
            Self::Unspec => 0,
            Self::Inet => 12,
            Self::Inet6 => 36,
            Self::Unix => 2 * UNIX_PATH,
        }
    }
}

/// Returns the least number of further bytes; 0 if complete.
pub(super) fn missing(bytes: &[u8]) -> Result<usize, HeaderError> {
    let command = bytes.get(12).copied();
    if !matches!(command, None | Some(LOCAL | PROXY)) {
        return Err(HeaderError::Malformed(
            "version 2: the version is not 2, or the command is not LOCAL or PROXY",
        ));
    }
    // The rest of a LOCAL header has no meaning, its family included.
    let family = match (command, bytes.get(13)) {
        (Some(PROXY), Some(family)) => AddrFamily::from_byte(*family)?,
        _ => AddrFamily::Unspec,
    };
    let (Some(high), Some(low)) = (bytes.get(14), bytes.get(15)) else {
        return Ok(FIXED + family.addrs_len() - bytes.len());
    };
    let total = FIXED + usize::from(u16::from_be_bytes([*high, *low]));
    if total > MAX_HEADER_BYTES {
        return Err(HeaderError::too_large(total));
    }
    if total < FIXED + family.addrs_len() {
        return Err(HeaderError::Malformed(
            "version 2: the length is below that of the addresses",
        ));
    }
    Ok(total.saturating_sub(bytes.len()))
}

/// Decodes a complete header.
pub(super) fn decode(bytes: &[u8]) -> Result<Proxied, HeaderError> {
    let mut header = Proxied::new(ProxyVersion::V2);
    if bytes[12] == LOCAL {
        return Ok(header);
    }
    let family = AddrFamily::from_byte(bytes[13])?;
    let (addrs, _) = bytes[FIXED..].split_at(family.addrs_len());
    header.addrs = match family {
        AddrFamily::Unspec => ProxiedAddrs::Unknown,
        AddrFamily::Inet => ip_addrs(addrs, |ip: [u8; 4]| Ipv4Addr::from(ip).into()),
        AddrFamily::Inet6 => ip_addrs(addrs, |ip: [u8; 16]| Ipv6Addr::from(ip).into()),
        AddrFamily::Unix => ProxiedAddrs::Unix {
            source: path(&addrs[..UNIX_PATH]),
            destination: path(&addrs[UNIX_PATH..]),
        },
    };
    tlv::decode(bytes, FIXED + family.addrs_len(), &mut header)?;
    Ok(header)
}

/// Reads two addresses and two ports.
fn ip_addrs<const N: usize>(bytes: &[u8], ip: fn([u8; N]) -> IpAddr) -> ProxiedAddrs {
    let addr = |at: usize, port: usize| {
        let mut octets = [0; N];
        octets.copy_from_slice(&bytes[at..at + N]);
        let port = u16::from_be_bytes([bytes[port], bytes[port + 1]]);
        canonical(SocketAddr::new(ip(octets), port))
    };
    ProxiedAddrs::Ip {
        source: addr(0, 2 * N),
        destination: addr(N, 2 * N + 2),
    }
}

/// Removes the padding. A path of the abstract namespace begins with a zero.
fn path(bytes: &[u8]) -> Box<[u8]> {
    let end = bytes.iter().rposition(|byte| *byte != 0);
    bytes[..end.map_or(0, |at| at + 1)].into()
}
