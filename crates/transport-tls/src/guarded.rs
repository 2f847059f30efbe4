//! Guarded constructors, for a service that embeds this backend without the facade.

use transport_core::{Dialer, Listener, Reloadable, TransportError};
use transport_limits::{Guard, Limiter};

use crate::raw::{TlsDialer, TlsListener};
use crate::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig};

/// A guarded TLS listener over a raw listener.
pub type TlsGuard<L> = Guard<TlsListener<L>>;
/// A guarded TLS dialer over a raw dialer.
pub type TlsDialGuard<D> = Guard<TlsDialer<D>>;

/// TLS over a raw listener, guarded. A new certificate is put in force by
/// [`refresh`](ServerTls::refresh) of the listener's [`live`](TlsListener::live), called every
/// few seconds.
///
/// # Errors
/// As [`ServerTls::load`].
pub fn listen<L: Listener>(
    raw: L,
    config: &TlsConfig,
    pq: PqMode,
    limiter: &Limiter,
) -> Result<TlsGuard<L>, TransportError> {
    let tls = ServerTls::load(config, pq)?;
    let observer = limiter.shared_observer();
    if let Some(not_after) = tls.not_after() {
        observer.certificate_expiry(not_after);
    }
    let listener = TlsListener::over(raw, &Reloadable::new(tls), observer);
    Ok(Guard::new(listener, limiter))
}

/// TLS over a raw dialer, guarded.
///
/// # Errors
/// As [`ClientTls::load`].
pub fn dialer<D: Dialer>(
    raw: D,
    config: &TlsClientConfig,
    pq: PqMode,
    limiter: &Limiter,
) -> Result<TlsDialGuard<D>, TransportError> {
    let live = Reloadable::new(ClientTls::load(config, pq)?);
    let dialer = TlsDialer::over(raw, &live, limiter.shared_observer());
    Ok(Guard::new(dialer, limiter))
}
