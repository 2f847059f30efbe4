//! The ways in which a header is invalid.

use std::fmt;

use transport_core::ProxyResult;

use super::MAX_HEADER_BYTES;

/// An invalid PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The first bytes are those of no PROXY header.
    NoSignature,
    /// The announced or possible length is over the limit.
    TooLarge {
        /// Announced bytes; in version 1, those without a line end.
        bytes: usize,
        /// Allowed bytes.
        max: usize,
    },
    /// A field breaks the grammar.
    Malformed(&'static str),
    /// The CRC32C of the header differs from the one in it.
    Checksum {
        /// The checksum in the header.
        announced: u32,
        /// The checksum of the received bytes.
        computed: u32,
    },
    /// The connection ended inside the header.
    Truncated {
        /// Bytes received.
        bytes: usize,
    },
}

impl HeaderError {
    /// Returns the value of the metric label `result`.
    pub(crate) const fn result(self) -> ProxyResult {
        match self {
            Self::TooLarge { .. } => ProxyResult::TooLarge,
            Self::Checksum { .. } => ProxyResult::Checksum,
            Self::NoSignature | Self::Malformed(_) | Self::Truncated { .. } => {
                ProxyResult::Malformed
            }
        }
    }

    pub(super) const fn too_large(bytes: usize) -> Self {
        let max = MAX_HEADER_BYTES;
        Self::TooLarge { bytes, max }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignature => f.write_str(
                "the first bytes are no PROXY header: let the balancer send one, or remove its address \
                 from proxy.trusted",
            ),
            Self::TooLarge { bytes, max } => {
                write!(f, "{bytes} bytes are over the limit of {max}")
            }
            Self::Malformed(what) => f.write_str(what),
            Self::Checksum {
                announced,
                computed,
            } => write!(
                f,
                "the CRC32C is {computed:#010x}, but the header announces {announced:#010x}"
            ),
            Self::Truncated { bytes } => {
                write!(f, "the connection ended after {bytes} bytes of the header")
            }
        }
    }
}

impl std::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_headers_have_result_and_cause() {
        let checksum = HeaderError::Checksum {
            announced: 0x1f,
            computed: 2,
        };
        let rows = [
            (
                HeaderError::NoSignature,
                ProxyResult::Malformed,
                "remove its address from proxy.trusted",
            ),
            (
                HeaderError::too_large(70_000),
                ProxyResult::TooLarge,
                "70000 bytes are over the limit of",
            ),
            (
                HeaderError::Malformed("port is no number"),
                ProxyResult::Malformed,
                "port is no number",
            ),
            (
                checksum,
                ProxyResult::Checksum,
                "is 0x00000002, but the header announces 0x0000001f",
            ),
            (
                HeaderError::Truncated { bytes: 3 },
                ProxyResult::Malformed,
                "after 3 bytes",
            ),
        ];
        for (error, result, part) in rows {
            assert_eq!(error.result(), result, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
