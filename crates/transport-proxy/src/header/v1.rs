//! Version 1: one line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use transport_core::{Proxied, ProxiedAddrs, ProxyVersion};

use super::canonical;
use super::error::HeaderError;

pub(super) const PREFIX: &[u8] = b"PROXY ";
const LINE_END: &[u8] = b"\r\n";
const UNKNOWN: &str = "PROXY UNKNOWN";
/// Most bytes of a line with its end (section 2.1).
const MAX_BYTES: usize = 107;
/// Bytes of the shortest line, `PROXY UNKNOWN\r\n`.
const SHORTEST: usize = 15;
/// Spaces of a line with addresses.
const SPACES: usize = 5;

/// Returns the least number of further bytes; 0 if complete.
pub(super) fn missing(bytes: &[u8]) -> Result<usize, HeaderError> {
    if line(bytes).is_some() {
        return Ok(0);
    }
    let room = MAX_BYTES.saturating_sub(bytes.len());
    if room == 0 {
        let (bytes, max) = (bytes.len(), MAX_BYTES);
        return Err(HeaderError::TooLarge { bytes, max });
    }
    let end = if bytes.ends_with(b"\r") { 1 } else { 2 };
    let least = if bytes.starts_with(b"PROXY TCP") {
        fields_missing(bytes) + end
    } else {
        end.max(SHORTEST.saturating_sub(bytes.len()))
    };
    Ok(least.min(room))
}

/// Returns the bytes before the end of the line.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(2).position(|pair| pair == LINE_END)?;
    bytes.get(..at)
}

/// Returns the least number of further bytes of the fields.
///
/// Without it, every read could take two bytes only.
fn fields_missing(bytes: &[u8]) -> usize {
    let spaces = bytes.iter().filter(|byte| **byte == b' ').count();
    let field = bytes.rsplit(|byte| *byte == b' ').next().unwrap_or(bytes);
    // A space and a byte for each further field.
    let mut least = 2 * SPACES.saturating_sub(spaces) + usize::from(field.is_empty());
    // An IPv4 address has three dots, each with a digit after it.
    if bytes.starts_with(b"PROXY TCP4") {
        let further = 3_usize.saturating_sub(spaces.max(1));
        least += 6 * further;
        if matches!(spaces, 2 | 3) {
            let dots = field.iter().filter(|byte| **byte == b'.').count();
            let open = usize::from(field.ends_with(b"."));
            least += 2 * 3_usize.saturating_sub(dots) + open;
        }
    }
    least
}

/// Decodes a complete line.
pub(super) fn decode(bytes: &[u8]) -> Result<Proxied, HeaderError> {
    let malformed = |what| Err(HeaderError::Malformed(what));
    let line = line(bytes).and_then(|line| std::str::from_utf8(line).ok());
    let Some(line) = line else {
        return malformed("version 1: the line is not ASCII");
    };
    let mut header = Proxied::new(ProxyVersion::V1);
    if let Some(rest) = line.strip_prefix(UNKNOWN) {
        // The receiver must ignore text that follows (section 2.1).
        if rest.is_empty() || rest.starts_with(' ') {
            return Ok(header);
        }
    }
    let fields: Vec<&str> = line.splitn(SPACES + 2, ' ').collect();
    let [_, family, source, destination, from, to] = fields[..] else {
        return malformed(
            "version 1: a line with addresses has six fields, separated by one space",
        );
    };
    let parse: fn(&str) -> Option<IpAddr> = match family {
        "TCP4" => |text| text.parse().ok().map(|ip: Ipv4Addr| ip.into()),
        "TCP6" => |text| text.parse().ok().map(|ip: Ipv6Addr| ip.into()),
        _ => return malformed("version 1: the protocol is not TCP4, TCP6 or UNKNOWN"),
    };
    let (Some(source), Some(destination)) = (parse(source), parse(destination)) else {
        return malformed("version 1: an address is not one of the announced family");
    };
    let (Some(from), Some(to)) = (port(from), port(to)) else {
        return malformed("version 1: a port is not a decimal number from 0 to 65535");
    };
    header.addrs = ProxiedAddrs::Ip {
        source: canonical(SocketAddr::new(source, from)),
        destination: canonical(SocketAddr::new(destination, to)),
    };
    Ok(header)
}

/// Parses a port without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    (is_number && !leading_zero).then(|| text.parse().ok())?
}
