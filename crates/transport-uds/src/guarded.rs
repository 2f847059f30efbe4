//! Guarded constructors, for services that use this backend without the facade.

use transport_core::{Reloadable, TransportError};
use transport_limits::{Guard, Limiter};

use crate::raw::{UdsDialer, UdsListener};
use crate::UdsConfig;

/// A guarded Unix-socket listener.
pub type UdsGuard = Guard<UdsListener>;
/// A guarded Unix-socket dialer.
pub type UdsDialGuard = Guard<UdsDialer>;

/// Creates the socket and a guarded listener.
///
/// # Errors
/// As [`UdsListener::bind`].
///
/// # Panics
/// Outside of a tokio runtime.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::NoObserver;
/// use transport_uds::{listen, Limiter, Limits, UdsConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
/// let mut config = UdsConfig::default();
/// config.set_path("/run/ron/gateway.sock")?;
/// config.set_allow_uids([0, 1000])?;
/// let mut listener = listen(&config, &limiter).await?;
/// let connection = listener.accept().await.establish().await?;
/// println!("{:?}", connection.info.identity);
/// # Ok(())
/// # }
/// ```
pub async fn listen(config: &UdsConfig, limiter: &Limiter) -> Result<UdsGuard, TransportError> {
    let mut config = config.clone();
    config.set_chunk_bytes(limiter.chunk_bytes());
    Ok(Guard::new(UdsListener::bind(&config).await?, limiter))
}

/// Creates a guarded dialer.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::{NoObserver, Target};
/// use transport_uds::{dialer, Limiter, Limits};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
/// let target = Target::Unix("/run/ron/gateway.sock".into());
/// let connection = dialer(&limiter).dial(&target).await?;
/// println!("{:?}", connection.info.identity);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn dialer(limiter: &Limiter) -> UdsDialGuard {
    let mut config = UdsConfig::default();
    config.set_chunk_bytes(limiter.chunk_bytes());
    let dialer = UdsDialer::new().with_config(&Reloadable::new(config));
    Guard::new(dialer, limiter)
}
