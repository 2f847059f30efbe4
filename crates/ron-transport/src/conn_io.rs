//! The guarded stream of a connection, of any backend.

#[cfg(feature = "tls")]
use std::{future::Future, pin::Pin};

use transport_core::Io;
#[cfg(feature = "tls")]
use transport_core::{Connection, TransportError};
use transport_limits::GuardedIo;
#[cfg(feature = "tls")]
use transport_tls::raw::TlsIo;

#[cfg(feature = "tls")]
use crate::tls_upgrade::TlsUpgrade;

/// The guarded stream of a connection, of any backend.
pub(crate) trait ConnIo: Io {
    fn into_io(self: Box<Self>) -> Box<dyn Io>;

    /// Replaces the raw stream by TLS over it.
    #[cfg(feature = "tls")]
    fn upgrade(self: Box<Self>, tls: TlsUpgrade) -> UpgradeFuture;
}

/// An upgraded connection, the same type for every backend.
///
/// Otherwise the types of upgraded streams would form an endless chain.
#[cfg(feature = "tls")]
pub(crate) type UpgradedConn = Connection<GuardedIo<TlsIo<Box<dyn Io>>>>;

#[cfg(feature = "tls")]
type UpgradeFuture = Pin<Box<dyn Future<Output = Result<UpgradedConn, TransportError>> + Send>>;

impl<I: Io> ConnIo for GuardedIo<I> {
    fn into_io(self: Box<Self>) -> Box<dyn Io> {
        self
    }

    #[cfg(feature = "tls")]
    fn upgrade(self: Box<Self>, tls: TlsUpgrade) -> UpgradeFuture {
        Box::pin((*self).upgrade(|raw, observer| async move {
            let raw = raw.map(|io| Box::new(io) as Box<dyn Io>);
            tls.handshake(raw, &observer).await
        }))
    }
}
