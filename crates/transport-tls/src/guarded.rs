//! Guarded constructors, for services that use this backend without the facade.

use transport_core::{Dialer, Listener, Reloadable, TransportError};
use transport_limits::{Guard, Limiter};

use crate::raw::{TlsDialer, TlsListener};
use crate::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig};

/// A guarded TLS listener over a raw listener.
pub type TlsGuard<L> = Guard<TlsListener<L>>;
/// A guarded TLS dialer over a raw dialer.
pub type TlsDialGuard<D> = Guard<TlsDialer<D>>;

/// Adds TLS and limits to a raw listener.
///
/// Call [`refresh`](ServerTls::refresh) on the listener's [`live`](TlsListener::live) every few
/// seconds to use a renewed certificate.
///
/// # Errors
/// As [`ServerTls::load`].
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::NoObserver;
/// use transport_tcp::{raw::TcpListener, TcpConfig};
/// use transport_tls::{listen, Limiter, Limits, PqMode, TlsConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
/// let tcp = TcpListener::bind(([127, 0, 0, 1], 8443).into(), &TcpConfig::default()).await?;
/// let mut config = TlsConfig::default();
/// config
///     .set_cert_path(Some("/etc/ron/tls.pem".into()))
///     .set_key_path(Some("/etc/ron/tls.key".into()));
/// let mut listener = listen(tcp, &config, PqMode::Off, &limiter)?;
/// loop {
///     let incoming = listener.accept().await;
///     tokio::spawn(async move {
///         // The handshake, within its deadline.
///         let connection = incoming.establish().await?;
///         println!("{:?}", connection.info.identity);
///         Ok::<(), transport_core::TransportError>(())
///     });
/// }
/// # }
/// ```
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
    if let Some(next_update) = tls.crl_next_update() {
        observer.crl_expiry(Some(next_update));
    }
    let listener = TlsListener::over(raw, &Reloadable::new(tls), observer);
    Ok(Guard::new(listener, limiter))
}

/// Adds TLS and limits to a raw dialer.
///
/// # Errors
/// As [`ClientTls::load`].
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::NoObserver;
/// use transport_tcp::raw::TcpDialer;
/// use transport_tls::{dialer, Limiter, Limits, PqMode, TlsClientConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
/// let config = TlsClientConfig::default();
/// let dialer = dialer(TcpDialer::default(), &config, PqMode::Hybrid, &limiter)?;
/// let connection = dialer.dial(&"example.com:443".parse()?).await?;
/// # Ok(())
/// # }
/// ```
pub fn dialer<D: Dialer>(
    raw: D,
    config: &TlsClientConfig,
    pq: PqMode,
    limiter: &Limiter,
) -> Result<TlsDialGuard<D>, TransportError> {
    let tls = ClientTls::load(config, pq)?;
    let observer = limiter.shared_observer();
    if let Some(next_update) = tls.crl_next_update() {
        observer.crl_expiry(Some(next_update));
    }
    let dialer = TlsDialer::over(raw, &Reloadable::new(tls), observer);
    Ok(Guard::new(dialer, limiter))
}
