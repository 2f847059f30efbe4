//! The socket of the admin endpoint: TCP, or a Unix socket.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::exit::ExitFailure;
use crate::settings::AdminAddr;

/// An accepted connection.
pub(super) type AdminStream = Box<dyn Duplex>;

/// A stream in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The bound listener and its address.
pub(crate) struct BoundAdmin {
    pub(crate) addr: AdminAddr,
    pub(crate) listener: AdminListener,
}

/// A listening socket.
pub(crate) enum AdminListener {
    Tcp(TcpListener),
    #[cfg(feature = "uds")]
    Unix(ron_transport::uds::raw::UdsListener),
}

impl BoundAdmin {
    /// Binds a listener; port 0 selects a free one.
    ///
    /// Must run on the thread of the endpoint.
    pub(crate) async fn bind(addr: AdminAddr) -> Result<Self, ExitFailure> {
        let (addr, listener) = match addr {
            AdminAddr::Ip(addr) => {
                let bound = tcp(addr).await;
                let (addr, listener) = bound.map_err(|error| {
                    ExitFailure::runtime(format!("cannot bind {addr} (admin_addr)"), &error)
                })?;
                (AdminAddr::Ip(addr), AdminListener::Tcp(listener))
            }
            #[cfg(feature = "uds")]
            AdminAddr::Unix(path) => {
                let listener = unix(&path).await?;
                (AdminAddr::Unix(path), AdminListener::Unix(listener))
            }
            #[cfg(not(feature = "uds"))]
            AdminAddr::Unix(path) => {
                let path = path.display();
                return Err(ExitFailure::Config(format!(
                    "this build has no Unix sockets, required for admin_addr {path}"
                )));
            }
        };
        Ok(Self { addr, listener })
    }
}

async fn tcp(addr: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let listener = TcpListener::bind(addr).await?;
    Ok((listener.local_addr()?, listener))
}

/// Binds a Unix socket for the effective user and root.
///
/// The socket has mode 0600, in a private directory.
#[cfg(feature = "uds")]
async fn unix(path: &std::path::Path) -> Result<ron_transport::uds::raw::UdsListener, ExitFailure> {
    use ron_transport::uds::{raw::UdsListener, UdsConfig};
    let mut config = UdsConfig::default();
    let own = rustix::process::geteuid().as_raw();
    let set = config
        .set_path(path)
        .and_then(|config| config.set_allow_uids([own, 0]));
    set.map_err(|error| ExitFailure::Config(error.to_string()))?;
    UdsListener::bind(&config)
        .await
        .map_err(|error| ExitFailure::Runtime(format!("{error} (admin_addr)")))
}

impl AdminListener {
    /// Waits for the next connection of a permitted user. Cancel-safe.
    pub(super) async fn accept(&mut self) -> io::Result<AdminStream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Box::new(stream))
            }
            #[cfg(feature = "uds")]
            Self::Unix(listener) => {
                use ron_transport::{Listener as _, Pending as _};
                loop {
                    let pending = listener.accept().await.map_err(io::Error::from)?;
                    if pending.refused().is_none() {
                        let connection = pending.establish().await.map_err(io::Error::from)?;
                        return Ok(Box::new(connection.io));
                    }
                }
            }
        }
    }
}
