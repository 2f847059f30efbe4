//! The type-length-value fields after the addresses of version 2.

use transport_core::{Proxied, ProxiedTls};

use super::crc32c::crc32c;
use super::error::HeaderError;

pub(super) const ALPN: u8 = 0x01;
pub(super) const AUTHORITY: u8 = 0x02;
pub(super) const CRC32C: u8 = 0x03;
pub(super) const UNIQUE_ID: u8 = 0x05;
pub(super) const SSL: u8 = 0x20;
pub(super) const SSL_VERSION: u8 = 0x21;
pub(super) const SSL_CN: u8 = 0x22;
pub(super) const SSL_CIPHER: u8 = 0x23;

/// Bits of the client field in `SSL`.
pub(super) const CLIENT_SSL: u8 = 0x01;
pub(super) const CLIENT_CERT_CONN: u8 = 0x02;
pub(super) const CLIENT_CERT_SESS: u8 = 0x04;

/// Most bytes of a host name.
pub(super) const MAX_AUTHORITY: usize = 255;
/// Most bytes of a protocol name (RFC 7301 §3.1).
pub(super) const MAX_ALPN: usize = 255;
/// Most bytes of an identifier (section 2.2.5).
pub(super) const MAX_UNIQUE_ID: usize = 128;

/// Decodes the fields from this position on, and checks the checksum.
pub(super) fn decode(bytes: &[u8], start: usize, header: &mut Proxied) -> Result<(), HeaderError> {
    let mut checksum = None;
    let mut fields = TlvFields(&bytes[start..]);
    let mut seen = [false; 256];
    while let Some((kind, value)) = fields.next()? {
        let is_known = matches!(kind, ALPN | AUTHORITY | CRC32C | UNIQUE_ID | SSL);
        if is_known && std::mem::replace(&mut seen[usize::from(kind)], true) {
            return malformed("a field is repeated");
        }
        match kind {
            ALPN if value.len() > MAX_ALPN => return malformed("ALPN is over 255 bytes"),
            ALPN => header.alpn = Some(value.into()),
            AUTHORITY if value.len() > MAX_AUTHORITY => {
                return malformed("AUTHORITY is over 255 bytes");
            }
            AUTHORITY => header.authority = Some(text(value)),
            UNIQUE_ID if value.len() > MAX_UNIQUE_ID => {
                return malformed("UNIQUE_ID is over 128 bytes");
            }
            UNIQUE_ID => header.unique_id = Some(value.into()),
            SSL => header.tls = tls(value)?,
            CRC32C => {
                let Ok(announced) = value.try_into().map(u32::from_be_bytes) else {
                    return malformed("CRC32C has not four bytes");
                };
                checksum = Some((announced, bytes.len() - fields.0.len() - value.len()));
            }
            // `NOOP`, the network namespace, and fields of other vendors.
            _ => {}
        }
    }
    match checksum {
        Some((announced, at)) => check(bytes, at, announced),
        None => Ok(()),
    }
}

/// Compares the checksum, which is computed with zeros in its place.
fn check(bytes: &[u8], at: usize, announced: u32) -> Result<(), HeaderError> {
    let zeroed = bytes.iter().enumerate();
    let zeroed = zeroed.map(|(i, byte)| if (at..at + 4).contains(&i) { 0 } else { *byte });
    let computed = crc32c(zeroed);
    if computed == announced {
        return Ok(());
    }
    Err(HeaderError::Checksum {
        announced,
        computed,
    })
}

/// Decodes the value of `SSL`; `None` without TLS.
fn tls(value: &[u8]) -> Result<Option<ProxiedTls>, HeaderError> {
    let Some((&[client, a, b, c, d], rest)) = value.split_first_chunk::<5>() else {
        return malformed("SSL has fewer than five bytes");
    };
    let mut tls = ProxiedTls::default();
    let mut fields = TlvFields(rest);
    while let Some((kind, value)) = fields.next()? {
        match kind {
            SSL_VERSION => tls.version = Some(text(value)),
            SSL_CN => tls.common_name = Some(text(value)),
            SSL_CIPHER => tls.cipher = Some(text(value)),
            _ => {}
        }
    }
    if client & CLIENT_SSL == 0 {
        return Ok(None);
    }
    tls.client_cert = client & CLIENT_CERT_CONN != 0;
    tls.session_cert = client & CLIENT_CERT_SESS != 0;
    // 0 also without a certificate: OpenSSL then has nothing to verify.
    let is_verified = [a, b, c, d] == [0; 4];
    tls.verified = is_verified && (tls.client_cert || tls.session_cert);
    Ok(Some(tls))
}

/// Converts a text that a client may control; invalid UTF-8 is replaced.
fn text(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value).into()
}

fn malformed<T>(what: &'static str) -> Result<T, HeaderError> {
    Err(HeaderError::Malformed(what))
}

/// The fields that are left.
struct TlvFields<'a>(&'a [u8]);

impl<'a> TlvFields<'a> {
    /// Returns the type and value of the next field.
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, HeaderError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let field = self.0.split_first_chunk::<3>().and_then(|(head, rest)| {
            let [kind, high, low] = *head;
            let len = usize::from(u16::from_be_bytes([high, low]));
            Some((kind, rest.get(..len)?, rest.get(len..)?))
        });
        let Some((kind, value, rest)) = field else {
            return malformed("version 2: a field is longer than the header");
        };
        self.0 = rest;
        Ok(Some((kind, value)))
    }
}
