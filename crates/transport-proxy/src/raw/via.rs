//! A dialer through a SOCKS5 or HTTP proxy.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{
    Backend, Connection, Dialer, Failure, Io, Target, TransportError, ViaErrorKind,
};

use crate::tunnel::{TunnelError, TunnelHandshake};
use crate::via::ViaProxy;

/// Bytes of one read of a reply.
const READ_BYTES: usize = 64;

/// A raw dialer that reaches its targets through a proxy.
///
/// The dialer below connects to the proxy, with its socket options and its source address. The proxy
/// resolves the names of targets; no name of a target reaches the local resolver. TLS and a
/// [PROXY header](super::ProxyDialer) go above it. The description of a connection has the address of
/// the proxy as its peer.
///
/// ```no_run
/// use transport_core::Dialer;
/// use transport_proxy::raw::ViaDialer;
/// use transport_proxy::ViaProxy;
/// use transport_tcp::raw::TcpDialer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let proxy: ViaProxy = "socks5://127.0.0.1:1080".parse()?;
/// let dialer = ViaDialer::over(TcpDialer::default(), &proxy);
/// let connection = dialer.dial(&"db.internal:5432".parse()?).await?;
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ViaDialer<D> {
    raw: D,
    proxy: ViaProxy,
}

impl<D: Dialer> ViaDialer<D> {
    /// Dials through a proxy, which a raw dialer connects to.
    #[must_use]
    pub fn over(raw: D, proxy: &ViaProxy) -> Self {
        Self {
            raw,
            proxy: proxy.clone(),
        }
    }

    /// Returns the dialer below.
    pub const fn get_ref(&self) -> &D {
        &self.raw
    }
}

impl<D: Dialer> Dialer for ViaDialer<D> {
    type Io = D::Io;

    const PRIVATE: bool = D::PRIVATE;

    fn backend(&self) -> Backend {
        self.raw.backend()
    }

    /// Connects to the proxy and negotiates a tunnel to the target.
    ///
    /// No byte after the proxy's reply is read.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`] for a target that is no `host:port` and for onion names,
    /// [`TransportError::Via`] if the proxy opens no tunnel, and the errors of the dialer below, such
    /// as [`TransportError::Connect`] with the address of the proxy.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    async fn dial(&self, to: &Target) -> Result<Connection<Self::Io>, TransportError> {
        let mut tunnel = TunnelHandshake::new(&self.proxy, to)?;
        let mut connection = self.raw.dial(self.proxy.target()).await?;
        negotiate(&mut connection.io, &mut tunnel).await?;
        Ok(connection)
    }
}

async fn negotiate<I: Io>(io: &mut I, tunnel: &mut TunnelHandshake) -> Result<(), TransportError> {
    let mut chunk = [0; READ_BYTES];
    loop {
        let output = tunnel.output();
        if !output.is_empty() {
            io.write_all(&output).await.map_err(broken)?;
            io.flush().await.map_err(broken)?;
        }
        let wanted = tunnel.wanted().min(READ_BYTES);
        if wanted == 0 {
            return Ok(());
        }
        let fed = match io.read(&mut chunk[..wanted]).await.map_err(broken)? {
            0 => Err(TunnelError::Ended),
            read => tunnel.feed(&chunk[..read]),
        };
        fed.map_err(|error| TransportError::Via {
            kind: error.kind(),
            source: Box::new(error),
        })?;
    }
}

/// A failed read or write of the connection to the proxy.
fn broken(error: io::Error) -> TransportError {
    let text = format!("the connection to the proxy failed inside its reply: {error}");
    TransportError::Via {
        kind: ViaErrorKind::Ended,
        source: Box::new(Failure::new(text).caused_by(error)),
    }
}
