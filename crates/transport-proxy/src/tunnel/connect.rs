//! The HTTP method CONNECT (RFC 9110 §9.3.6), the client's side.

use std::fmt;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use transport_core::Target;
use zeroize::Zeroizing;

use super::error::{TunnelError, MAX_HEAD_BYTES};
use crate::via::ViaCredentials;

/// A status line up to its code; `d` stands for a digit.
const STATUS_LINE: &[u8] = b"HTTP/1.d ddd";
/// The end of a head.
const END: &[u8] = b"\r\n\r\n";
const NOT_HTTP: TunnelError = TunnelError::Malformed("the proxy does not speak HTTP/1");
/// Upper bound of the request: host twice, credentials in base64.
const REQUEST_BYTES: usize = 2048;

/// A negotiation with an HTTP proxy.
pub(super) struct ConnectHandshake {
    output: Zeroizing<Vec<u8>>,
    /// Bytes of all heads.
    taken: usize,
    /// Bytes of the head, up to the length of [`STATUS_LINE`] + 1.
    status_bytes: usize,
    status: u16,
    /// Bytes of [`END`] that the last bytes match.
    end_bytes: usize,
}

impl fmt::Debug for ConnectHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectHandshake")
            .field("taken", &self.taken)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl ConnectHandshake {
    pub(super) fn new(to: &Target, credentials: Option<&ViaCredentials>) -> Self {
        Self {
            output: request(to, credentials),
            taken: 0,
            status_bytes: 0,
            status: 0,
            end_bytes: 0,
        }
    }

    pub(super) fn output(&mut self) -> Zeroizing<Vec<u8>> {
        std::mem::take(&mut self.output)
    }

    /// Returns the least number of bytes left of the head.
    ///
    /// A head ends with [`END`], so it lacks at least the part that its last bytes do not match.
    pub(super) fn wanted(&self) -> usize {
        STATUS_LINE.len().saturating_sub(self.status_bytes) + (END.len() - self.end_bytes)
    }

    /// Takes one byte; [`wanted`](Self::wanted) is over 0.
    pub(super) fn push(&mut self, byte: u8) -> Result<(), TunnelError> {
        if self.taken == MAX_HEAD_BYTES {
            return Err(TunnelError::TooLarge);
        }
        self.taken += 1;
        if let Some(expected) = STATUS_LINE.get(self.status_bytes) {
            return self.push_status(*expected, byte);
        }
        if self.status_bytes == STATUS_LINE.len() {
            if !matches!(byte, b' ' | b'\r') {
                return Err(NOT_HTTP);
            }
            self.status_bytes += 1;
        }
        let is_line_end = matches!(byte, b'\r' | b'\n');
        let expects_lf = self.end_bytes % 2 == 1;
        self.end_bytes = match byte {
            b'\r' if !expects_lf => self.end_bytes + 1,
            b'\n' if expects_lf => self.end_bytes + 1,
            _ if is_line_end || expects_lf => {
                return Err(TunnelError::Malformed(
                    "a line of the HTTP proxy's reply does not end with CR LF",
                ));
            }
            _ => 0,
        };
        let is_interim = self.status < 200;
        if self.end_bytes == END.len() && is_interim {
            (self.status_bytes, self.status, self.end_bytes) = (0, 0, 0);
        }
        Ok(())
    }

    fn push_status(&mut self, expected: u8, byte: u8) -> Result<(), TunnelError> {
        if expected == b'd' {
            let digit = char::from(byte).to_digit(10).ok_or(NOT_HTTP)?;
            // The digit of the version does not count.
            if self.status_bytes > STATUS_LINE.len() - 4 {
                self.status = self.status * 10 + u16::try_from(digit).unwrap_or_default();
            }
        } else if byte != expected {
            return Err(NOT_HTTP);
        }
        self.status_bytes += 1;
        match self.status {
            _ if self.status_bytes < STATUS_LINE.len() => Ok(()),
            // RFC 9110 §15.2: a client ignores interim replies. It asked for no switch of protocols.
            100 | 102..=299 => Ok(()),
            status => Err(TunnelError::HttpStatus(status)),
        }
    }
}

fn request(to: &Target, credentials: Option<&ViaCredentials>) -> Zeroizing<Vec<u8>> {
    // Of its final capacity, so that no copy of the credentials stays behind in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(REQUEST_BYTES));
    for part in [
        "CONNECT ",
        &to.to_string(),
        " HTTP/1.1\r\nHost: ",
        &to.to_string(),
    ] {
        text.push_str(part);
    }
    if let Some(ViaCredentials { user, password }) = credentials {
        text.push_str("\r\nProxy-Authorization: Basic ");
        let mut plain = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
        plain.extend_from_slice(user);
        plain.push(b':');
        plain.extend_from_slice(password);
        STANDARD.encode_string(plain.as_slice(), &mut text);
    }
    text.push_str("\r\n\r\n");
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}
