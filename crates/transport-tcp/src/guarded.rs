//! Guarded constructors, for a service that embeds this backend without the facade.

use std::net::SocketAddr;

use transport_core::TransportError;
use transport_limits::{Guard, Limiter};

use crate::raw::{TcpDialer, TcpListener};
use crate::TcpConfig;

/// A guarded listener.
pub type TcpGuard = Guard<TcpListener>;
/// A guarded dialer.
pub type TcpDialGuard = Guard<TcpDialer>;

/// Binds and listens, guarded.
///
/// # Errors
/// [`TransportError::Bind`].
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn listen(
    addr: SocketAddr,
    config: &TcpConfig,
    limiter: &Limiter,
) -> Result<TcpGuard, TransportError> {
    let config = chunked(config, limiter);
    Ok(Guard::new(TcpListener::bind(addr, &config).await?, limiter))
}

/// A guarded dialer.
#[must_use]
pub fn dialer(config: &TcpConfig, limiter: &Limiter) -> TcpDialGuard {
    let limits = limiter.clone();
    let raw =
        TcpDialer::new(&chunked(config, limiter)).with_dial_timeout(move || limits.dial_timeout());
    Guard::new(raw, limiter)
}

/// The configuration with the limiter's chunk as the mark of unsent bytes.
fn chunked(config: &TcpConfig, limiter: &Limiter) -> TcpConfig {
    let mut config = config.clone();
    config.set_unsent_bytes(limiter.chunk_bytes());
    config
}
