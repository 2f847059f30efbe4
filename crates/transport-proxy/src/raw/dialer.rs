//! A dialer whose connections begin with a PROXY header.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use transport_core::{Backend, Connection, Dialer, Proxied, Target, TransportError};

use crate::header::encode;

/// A raw dialer whose connections begin with a PROXY header.
///
/// The header announces one client, so each dial for a client has a dialer of its own.
///
/// ```no_run
/// use transport_core::Dialer;
/// use transport_proxy::raw::ProxyDialer;
/// use transport_proxy::{Proxied, ProxyVersion};
/// use transport_tcp::raw::TcpDialer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), transport_core::TransportError> {
/// let header = Proxied::new(ProxyVersion::V2);
/// let dialer = ProxyDialer::over(TcpDialer::default(), &header);
/// let connection = dialer.dial(&"192.0.2.1:8443".parse().unwrap()).await?;
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ProxyDialer<D> {
    raw: D,
    header: Arc<[u8]>,
}

impl<D: Dialer> ProxyDialer<D> {
    /// Adds a header to the connections of a raw dialer.
    #[must_use]
    pub fn over(raw: D, header: &Proxied) -> Self {
        Self {
            raw,
            header: encode(header).into(),
        }
    }

    /// Returns the dialer below.
    pub const fn get_ref(&self) -> &D {
        &self.raw
    }
}

impl<D: Dialer> Dialer for ProxyDialer<D> {
    type Io = D::Io;

    const PRIVATE: bool = D::PRIVATE;

    fn backend(&self) -> Backend {
        self.raw.backend()
    }

    /// Dials and writes the header.
    ///
    /// # Errors
    /// Those of the dialer below, and [`TransportError::Io`] if the header cannot be written.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    async fn dial(&self, to: &Target) -> Result<Connection<Self::Io>, TransportError> {
        let mut connection = self.raw.dial(to).await?;
        connection.io.write_all(&self.header).await?;
        connection.io.flush().await?;
        Ok(connection)
    }
}
