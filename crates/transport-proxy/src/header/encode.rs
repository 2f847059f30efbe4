//! Writes headers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use transport_core::{Proxied, ProxiedAddrs, ProxiedTls, ProxyVersion};

use super::crc32c::crc32c;
use super::tlv;
use super::v2::{AddrFamily, FIXED, PROXY, SIGNATURE, UNIX_PATH};
use super::MAX_HEADER_BYTES;

/// Most bytes of a common name (RFC 5280, appendix A.1).
///
/// And of other texts about TLS.
const MAX_TLS_TEXT: usize = 64;
/// Bytes of a field before its value.
const FIELD_HEAD: usize = 3;
/// Bytes of the field with the checksum.
const CRC_FIELD: usize = FIELD_HEAD + 4;

/// Returns the bytes of a header in its version.
///
/// Version 1 has the addresses only. Version 2 has a CRC32C, and omits a text that is longer than
/// the protocol allows; its length is at most [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES).
///
/// ```
/// use transport_proxy::{encode, Proxied, ProxyVersion};
///
/// let header = encode(&Proxied::new(ProxyVersion::V1));
/// assert_eq!(header, b"PROXY UNKNOWN\r\n");
/// ```
#[must_use]
pub fn encode(header: &Proxied) -> Vec<u8> {
    match header.version {
        ProxyVersion::V1 => v1(&header.addrs),
        ProxyVersion::V2 => v2(header),
    }
}

fn v1(addrs: &ProxiedAddrs) -> Vec<u8> {
    let ProxiedAddrs::Ip {
        source,
        destination,
    } = *addrs
    else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let (family, from, to) = match one_family(source, destination) {
        (from @ IpAddr::V4(_), to) => ("TCP4", from, to),
        (from, to) => ("TCP6", from, to),
    };
    let ports = [source.port(), destination.port()];
    format!("PROXY {family} {from} {to} {} {}\r\n", ports[0], ports[1]).into_bytes()
}

/// Returns both addresses in one family; IPv4 beside IPv6 is v4-mapped.
fn one_family(source: SocketAddr, destination: SocketAddr) -> (IpAddr, IpAddr) {
    let mapped = |ip: IpAddr| -> Ipv6Addr {
        match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        }
    };
    match [source, destination].map(|addr| addr.ip().to_canonical()) {
        [a @ IpAddr::V4(_), b @ IpAddr::V4(_)] => (a, b),
        [a, b] => (mapped(a).into(), mapped(b).into()),
    }
}

fn v2(header: &Proxied) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(SIGNATURE);
    bytes.push(PROXY);
    let family = match &header.addrs {
        ProxiedAddrs::Ip {
            source,
            destination,
        } => match one_family(*source, *destination) {
            (IpAddr::V4(_), _) => AddrFamily::Inet,
            _ => AddrFamily::Inet6,
        },
        ProxiedAddrs::Unix { .. } => AddrFamily::Unix,
        _ => AddrFamily::Unspec,
    };
    bytes.push(family as u8);
    // The length, set at the end.
    bytes.extend_from_slice(&[0; 2]);
    addrs(&mut bytes, &header.addrs);
    let authority = header.authority.as_deref().map(str::as_bytes);
    let tls = header.tls.as_ref().map(tls);
    for (kind, value, max) in [
        (
            tlv::UNIQUE_ID,
            header.unique_id.as_deref(),
            tlv::MAX_UNIQUE_ID,
        ),
        (tlv::SSL, tls.as_deref(), usize::MAX),
        (tlv::AUTHORITY, authority, tlv::MAX_AUTHORITY),
        (tlv::ALPN, header.alpn.as_deref(), tlv::MAX_ALPN),
    ] {
        let room = MAX_HEADER_BYTES - CRC_FIELD - FIELD_HEAD - bytes.len();
        field(&mut bytes, kind, value, max.min(room));
    }
    field(&mut bytes, tlv::CRC32C, Some(&[0; 4]), 4);
    let len = u16::try_from(bytes.len() - FIXED).unwrap_or(u16::MAX);
    bytes[FIXED - 2..FIXED].copy_from_slice(&len.to_be_bytes());
    let checksum = crc32c(bytes.iter().copied()).to_be_bytes();
    let at = bytes.len() - checksum.len();
    bytes[at..].copy_from_slice(&checksum);
    bytes
}

fn addrs(bytes: &mut Vec<u8>, addrs: &ProxiedAddrs) {
    match addrs {
        ProxiedAddrs::Ip {
            source,
            destination,
        } => {
            let (from, to) = one_family(*source, *destination);
            for ip in [from, to] {
                match ip {
                    IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
                    IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
                }
            }
            for addr in [source, destination] {
                bytes.extend_from_slice(&addr.port().to_be_bytes());
            }
        }
        ProxiedAddrs::Unix {
            source,
            destination,
        } => {
            for path in [source, destination] {
                let mut padded = [0; UNIX_PATH];
                let len = path.len().min(UNIX_PATH);
                padded[..len].copy_from_slice(&path[..len]);
                bytes.extend_from_slice(&padded);
            }
        }
        _ => {}
    }
}

/// Returns the value of `SSL`.
fn tls(facts: &ProxiedTls) -> Vec<u8> {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let client = tlv::CLIENT_SSL
        | flag(facts.client_cert, tlv::CLIENT_CERT_CONN)
        | flag(facts.session_cert, tlv::CLIENT_CERT_SESS);
    let mut value = vec![client];
    value.extend_from_slice(&u32::from(!facts.verified).to_be_bytes());
    for (kind, text) in [
        (tlv::SSL_VERSION, &facts.version),
        (tlv::SSL_CN, &facts.common_name),
        (tlv::SSL_CIPHER, &facts.cipher),
    ] {
        let text = text.as_deref().map(str::as_bytes);
        field(&mut value, kind, text, MAX_TLS_TEXT);
    }
    value
}

/// Adds a field, unless its value is absent or too long.
fn field(bytes: &mut Vec<u8>, kind: u8, value: Option<&[u8]>, max: usize) {
    let Some(value) = value.filter(|value| value.len() <= max) else {
        return;
    };
    let Ok(len) = u16::try_from(value.len()) else {
        return;
    };
    bytes.push(kind);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(value);
}
