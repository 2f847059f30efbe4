//! Negotiation with a SOCKS5 or HTTP proxy, without I/O.

mod connect;
mod error;
mod socks5;
#[cfg(test)]
mod tests;

pub use error::{TunnelError, MAX_HEAD_BYTES};

use transport_core::{Target, TransportError};
use zeroize::Zeroizing;

use crate::via::{ViaProtocol, ViaProxy};
use connect::ConnectHandshake;
use socks5::Socks5Handshake;

/// Negotiates a tunnel to a target with a proxy, without I/O.
///
/// [`output`](Self::output) has the bytes to send, [`wanted`](Self::wanted) the number of bytes to
/// read, and [`feed`](Self::feed) takes them. It never asks for a byte that may follow the reply of
/// the proxy, so the first byte of the target is read by the caller of the tunnel. The result does
/// not depend on the pieces in which the reply arrives.
///
/// ```
/// use transport_proxy::{TunnelHandshake, ViaProxy};
///
/// let proxy: ViaProxy = "http://proxy.internal:3128".parse()?;
/// let mut tunnel = TunnelHandshake::new(&proxy, &"db.internal:5432".parse()?)?;
/// assert!(tunnel.output().starts_with(b"CONNECT db.internal:5432 HTTP/1.1\r\n"));
/// let reply = b"HTTP/1.1 200 OK\r\n\r\nfirst bytes of the target";
/// let used = tunnel.feed(reply)?;
/// assert!(tunnel.is_open());
/// assert_eq!(&reply[used..], b"first bytes of the target");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TunnelHandshake(Protocol);

#[derive(Debug)]
enum Protocol {
    Socks5(Socks5Handshake),
    Connect(ConnectHandshake),
}

impl TunnelHandshake {
    /// Creates a negotiation for one target.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`] for a target that is no `host:port`, and for an onion name,
    /// which must not reach the resolver of a proxy (RFC 7686).
    pub fn new(proxy: &ViaProxy, to: &Target) -> Result<Self, TransportError> {
        let Target::Host { host, port } = to else {
            return Err(TransportError::Unsupported {
                what: format!("dialing {to} through a proxy: the target must be host:port"),
            });
        };
        if to.is_onion() {
            return Err(TransportError::Unsupported {
                what: "dialing an .onion name through a proxy: use the Tor backend".to_owned(),
            });
        }
        let credentials = proxy.credentials().cloned();
        Ok(Self(match proxy.protocol() {
            ViaProtocol::Socks5 => Protocol::Socks5(Socks5Handshake::new(host, *port, credentials)),
            ViaProtocol::Http => Protocol::Connect(ConnectHandshake::new(to, credentials.as_ref())),
        }))
    }

    /// Takes the bytes to send before the next read; often none.
    pub fn output(&mut self) -> Zeroizing<Vec<u8>> {
        match &mut self.0 {
            Protocol::Socks5(socks5) => socks5.output(),
            Protocol::Connect(connect) => connect.output(),
        }
    }

    /// Returns the bytes to read next; 0 once it is open.
    ///
    /// All of them belong to the reply of the proxy.
    #[must_use]
    pub fn wanted(&self) -> usize {
        match &self.0 {
            Protocol::Socks5(socks5) => socks5.wanted(),
            Protocol::Connect(connect) => connect.wanted(),
        }
    }

    /// Returns whether the proxy has connected to the target.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.wanted() == 0
    }

    /// Takes bytes of the proxy; returns the length of its reply.
    ///
    /// # Errors
    /// The refusal of the proxy, or the first rule that its reply breaks. The negotiation is not
    /// usable after it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, TunnelError> {
        let mut used = 0;
        for byte in bytes {
            if self.is_open() {
                break;
            }
            match &mut self.0 {
                Protocol::Socks5(socks5) => socks5.push(*byte)?,
                Protocol::Connect(connect) => connect.push(*byte)?,
            }
            used += 1;
        }
        Ok(used)
    }
}
