//! The decoder of headers, fed with bytes in any pieces.

use transport_core::{Proxied, ProxyVersion};

use super::error::HeaderError;
use super::{v1, v2};

/// Bytes of the shortest header, `PROXY UNKNOWN\r\n`.
const SHORTEST: usize = 15;

/// Decodes one PROXY header from bytes in any pieces.
///
/// It never asks for a byte that may follow the header. It holds at most
/// [`MAX_HEADER_BYTES`](crate::MAX_HEADER_BYTES).
///
/// ```
/// use transport_proxy::HeaderDecoder;
///
/// let bytes = b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 443\r\nHELO";
/// let mut decoder = HeaderDecoder::new();
/// let (used, header) = decoder.feed(bytes)?;
/// assert_eq!(&bytes[used..], b"HELO");
/// assert_eq!(header.unwrap().source(), Some("192.0.2.1:5000".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct HeaderDecoder {
    bytes: Vec<u8>,
    /// Bytes to read next.
    ///
    /// 0 before the first byte, and when the header is complete.
    missing: usize,
}

impl HeaderDecoder {
    /// Creates a decoder; it allocates nothing before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            missing: 0,
        }
    }

    /// Returns the number of bytes to read next.
    ///
    /// All of them belong to the header. At least 1 until [`feed`](Self::feed) has returned a header
    /// or an error.
    #[must_use]
    pub fn wanted(&self) -> usize {
        if self.bytes.is_empty() {
            SHORTEST
        } else {
            self.missing
        }
    }

    /// Returns the number of bytes taken so far.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the version, once the first byte is known.
    #[must_use]
    pub fn version(&self) -> Option<ProxyVersion> {
        version(&self.bytes).ok().flatten()
    }

    /// Takes the next bytes of the header.
    ///
    /// Returns their number, and the header once it is complete. Bytes after the header are not taken.
    /// The result does not depend on the pieces.
    ///
    /// # Errors
    /// The first rule that the bytes break. The decoder is not usable after it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<Proxied>), HeaderError> {
        let mut used = 0;
        loop {
            let take = self.wanted().min(bytes.len() - used);
            if take == 0 {
                return Ok((used, None));
            }
            // The exact length, so that the buffer never grows past the largest header.
            self.bytes.reserve_exact(self.wanted());
            self.bytes.extend_from_slice(&bytes[used..used + take]);
            used += take;
            self.missing = missing(&self.bytes)?;
            if self.missing == 0 {
                return Ok((used, Some(self.decode()?)));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn bytes_allocated(&self) -> usize {
        self.bytes.capacity()
    }

    fn decode(&self) -> Result<Proxied, HeaderError> {
        match self.version() {
            Some(ProxyVersion::V2) => v2::decode(&self.bytes),
            _ => v1::decode(&self.bytes),
        }
    }
}

/// Returns the version that the first bytes announce; `None` without a byte.
fn version(bytes: &[u8]) -> Result<Option<ProxyVersion>, HeaderError> {
    let begins = |prefix: &[u8]| bytes.iter().zip(prefix).all(|(a, b)| a == b);
    if bytes.is_empty() {
        Ok(None)
    } else if begins(v2::SIGNATURE) {
        Ok(Some(ProxyVersion::V2))
    } else if begins(v1::PREFIX) {
        Ok(Some(ProxyVersion::V1))
    } else {
        Err(HeaderError::NoSignature)
    }
}

/// Returns the least number of further bytes; 0 if it is complete.
fn missing(bytes: &[u8]) -> Result<usize, HeaderError> {
    match version(bytes)? {
        None => Ok(SHORTEST),
        Some(ProxyVersion::V1) => v1::missing(bytes),
        Some(ProxyVersion::V2) => v2::missing(bytes),
    }
}
