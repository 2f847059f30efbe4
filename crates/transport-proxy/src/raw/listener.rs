//! A listener that reads the PROXY header of trusted hops.

use std::fmt;
use std::sync::Arc;

use transport_core::{
    Backend, Listener, Observer, Pending, ProxyResult, Reloadable, TransportError,
};

use super::pending::ProxyPending;
use crate::ProxyConfig;

/// A raw listener that reads the PROXY header of trusted hops.
///
/// Peers that are not trusted pass as they are: no byte of theirs is parsed. With
/// `proxy.required` they are refused.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_core::NoObserver;
/// use transport_limits::{Guard, Limiter, Limits};
/// use transport_proxy::raw::ProxyListener;
/// use transport_proxy::{ProxyConfig, Reloadable, TrustedHops};
/// use transport_tcp::{raw::TcpListener, TcpConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = ProxyConfig::default();
/// config.set_trusted(TrustedHops::parse(&["10.0.0.0/8"])?);
/// let config = Reloadable::new(config);
///
/// let tcp = TcpListener::bind(([0, 0, 0, 0], 8080).into(), &TcpConfig::default()).await?;
/// let raw = ProxyListener::over(tcp, &config, Arc::new(NoObserver));
/// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
/// let mut listener = Guard::new(raw, &limiter);
/// // In a task: it waits for the header, within `proxy.header_timeout`.
/// let connection = listener.accept().await.establish().await?;
/// println!("{:?} via {:?}", connection.info.peer, connection.info.proxied);
/// # Ok(())
/// # }
/// ```
pub struct ProxyListener<L> {
    raw: L,
    config: Reloadable<ProxyConfig>,
    observer: Arc<dyn Observer>,
}

impl<L: Listener> ProxyListener<L> {
    /// Adds the PROXY protocol to a raw listener.
    ///
    /// Each accept uses the configuration that is then current.
    #[must_use]
    pub fn over(raw: L, config: &Reloadable<ProxyConfig>, observer: Arc<dyn Observer>) -> Self {
        Self {
            raw,
            config: config.clone(),
            observer,
        }
    }

    /// Returns the listener below.
    pub const fn get_ref(&self) -> &L {
        &self.raw
    }
}

impl<L: fmt::Debug> fmt::Debug for ProxyListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyListener")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl<L: Listener> Listener for ProxyListener<L> {
    type Pending = ProxyPending<L::Pending>;

    fn backend(&self) -> Backend {
        self.raw.backend()
    }

    /// Accepts a raw connection; [`ProxyPending::identify`](Pending::identify) reads the header.
    ///
    /// # Errors
    /// As the listener below.
    ///
    /// # Cancel safety
    /// As the listener below: a dropped call loses no connection.
    async fn accept(&mut self) -> Result<Self::Pending, TransportError> {
        let raw = self.raw.accept().await?;
        let config = self.config.get();
        if config.trusted().contains(raw.peer()) {
            let (limit, observer) = (config.header_timeout(), Arc::clone(&self.observer));
            return Ok(ProxyPending::of_hop(raw, limit, observer));
        }
        let is_refused = config.required();
        if is_refused {
            self.observer.proxy_header(None, ProxyResult::Untrusted);
        }
        Ok(ProxyPending::of_peer(raw, is_refused))
    }
    fn share(&self) -> Result<Option<Self>, TransportError> {
        let raw = self.raw.share()?;
        Ok(raw.map(|raw| Self::over(raw, &self.config, Arc::clone(&self.observer))))
    }
}
