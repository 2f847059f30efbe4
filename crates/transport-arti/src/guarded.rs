//! Guarded constructors, for services that embed this backend without the facade.

use transport_core::TransportError;
use transport_limits::{Guard, Limiter};

use crate::raw::{ArtiDialer, ArtiListener};
use crate::ArtiNet;

/// The guarded listener of an onion service.
pub type ArtiGuard = Guard<ArtiListener>;
/// A guarded dialer.
pub type ArtiDialGuard = Guard<ArtiDialer>;

/// Takes the onion service's listener and guards it.
///
/// # Errors
/// As [`ArtiNet::listener`].
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_arti::transport_core::{NoObserver, TransportError};
/// use transport_arti::{ArtiConfig, ArtiNet, Limiter, Reloadable};
///
/// # async fn run(limiter: Limiter) -> Result<(), TransportError> {
/// let mut config = ArtiConfig::default();
/// config.onion_service_mut().set_enabled(true);
/// let net = ArtiNet::start(&Reloadable::new(config), true, Arc::new(NoObserver)).await?;
/// let mut listener = transport_arti::listen(&net, &limiter)?;
/// loop {
///     let pending = listener.accept().await;
///     tokio::spawn(async move {
///         if let Ok(connection) = pending.establish().await {
///             drop(connection); // serve it here
///         }
///     });
/// }
/// # }
/// ```
pub fn listen(net: &ArtiNet, limiter: &Limiter) -> Result<ArtiGuard, TransportError> {
    Ok(Guard::new(net.listener()?, limiter))
}

/// Returns a guarded dialer.
///
/// # Examples
///
/// ```no_run
/// use transport_arti::transport_core::TransportError;
/// use transport_arti::{ArtiNet, Limiter};
///
/// # async fn run(net: ArtiNet, limiter: Limiter) -> Result<(), TransportError> {
/// let dialer = transport_arti::dialer(&net, &limiter);
/// let target = "example.org:443".parse().expect("a valid target");
/// let connection = dialer.dial(&target).await?;
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn dialer(net: &ArtiNet, limiter: &Limiter) -> ArtiDialGuard {
    Guard::new(net.dialer(), limiter)
}
