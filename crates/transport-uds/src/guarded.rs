//! Guarded constructors, for a service that embeds this backend without the facade.

use transport_core::{Reloadable, TransportError};
use transport_limits::{Guard, Limiter};

use crate::raw::{UdsDialer, UdsListener};
use crate::UdsConfig;

/// A guarded listener.
pub type UdsGuard = Guard<UdsListener>;
/// A guarded dialer.
pub type UdsDialGuard = Guard<UdsDialer>;

/// Makes the socket and listens, guarded.
///
/// # Errors
/// As [`UdsListener::bind`].
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn listen(config: &UdsConfig, limiter: &Limiter) -> Result<UdsGuard, TransportError> {
    let mut config = config.clone();
    config.set_chunk_bytes(limiter.chunk_bytes());
    Ok(Guard::new(UdsListener::bind(&config).await?, limiter))
}

/// A guarded dialer.
#[must_use]
pub fn dialer(limiter: &Limiter) -> UdsDialGuard {
    let mut config = UdsConfig::default();
    config.set_chunk_bytes(limiter.chunk_bytes());
    let dialer = UdsDialer::new().with_config(&Reloadable::new(config));
    Guard::new(dialer, limiter)
}
