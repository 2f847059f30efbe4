//! Guarded constructors, for a service that embeds this backend without the facade.

use transport_core::TransportError;
use transport_limits::{Guard, Limiter};

use crate::raw::{ArtiDialer, ArtiListener};
use crate::ArtiNet;

/// The guarded listener of an onion service.
pub type ArtiGuard = Guard<ArtiListener>;
/// A guarded dialer.
pub type ArtiDialGuard = Guard<ArtiDialer>;

/// The onion service's listener, guarded.
///
/// # Errors
/// As [`ArtiNet::listener`].
pub fn listen(net: &ArtiNet, limiter: &Limiter) -> Result<ArtiGuard, TransportError> {
    Ok(Guard::new(net.listener()?, limiter))
}

/// A guarded dialer.
#[must_use]
pub fn dialer(net: &ArtiNet, limiter: &Limiter) -> ArtiDialGuard {
    Guard::new(net.dialer(), limiter)
}
