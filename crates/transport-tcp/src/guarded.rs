//! Guarded constructors, for services that use this backend without the facade.

use std::net::SocketAddr;

use transport_core::TransportError;
use transport_limits::{Guard, Limiter};

use crate::raw::{TcpDialer, TcpListener};
use crate::TcpConfig;

/// A guarded TCP listener.
pub type TcpGuard = Guard<TcpListener>;
/// A guarded TCP dialer.
pub type TcpDialGuard = Guard<TcpDialer>;

/// Binds a guarded listener.
///
/// # Errors
/// [`TransportError::Bind`].
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
/// use transport_tcp::{listen, Limiter, Limits, TcpConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
/// let addr = ([127, 0, 0, 1], 9444).into();
/// let mut listener = listen(addr, &TcpConfig::default(), &limiter).await?;
/// loop {
///     let incoming = listener.accept().await;
///     tokio::spawn(async move {
///         let connection = incoming.establish().await?;
///         println!("{:?}", connection.info.peer);
///         Ok::<(), transport_core::TransportError>(())
///     });
/// }
/// # }
/// ```
pub async fn listen(
    addr: SocketAddr,
    config: &TcpConfig,
    limiter: &Limiter,
) -> Result<TcpGuard, TransportError> {
    let config = chunked(config, limiter);
    Ok(Guard::new(TcpListener::bind(addr, &config).await?, limiter))
}

/// Creates a guarded dialer.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::NoObserver;
/// use transport_tcp::{dialer, Limiter, Limits, TcpConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
/// let dialer = dialer(&TcpConfig::default(), &limiter);
/// let connection = dialer.dial(&"example.com:80".parse()?).await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn dialer(config: &TcpConfig, limiter: &Limiter) -> TcpDialGuard {
    let limits = limiter.clone();
    let raw =
        TcpDialer::new(&chunked(config, limiter)).with_dial_timeout(move || limits.dial_timeout());
    Guard::new(raw, limiter)
}

/// Sets `unsent_bytes` to the limiter's chunk size.
fn chunked(config: &TcpConfig, limiter: &Limiter) -> TcpConfig {
    let mut config = config.clone();
    config.set_unsent_bytes(limiter.chunk_bytes());
    config
}
