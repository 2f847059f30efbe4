//! Dials with options of their own.

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use transport_core::TransportError;
#[cfg(feature = "tls")]
use transport_core::{Dialer, Reloadable};
use transport_limits::Guard;
use transport_tcp::raw::TcpDialer;
#[cfg(feature = "tls")]
use transport_tls::{raw::TlsDialer, ClientTls};

use super::{unsupported, Dialers};
#[cfg(feature = "tls")]
use crate::backend::tls;
use crate::conn::Conn;
use crate::dial_options::DialOptions;
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;

impl Dialers {
    pub(crate) async fn dial_with(
        &self,
        to: &Endpoint,
        options: &DialOptions,
    ) -> Result<Conn, TransportError> {
        options.check(to.scheme())?;
        let limiter = self.tcp.limiter();
        let timeout = options.timeout.unwrap_or_else(|| limiter.dial_timeout());
        let target = to.target();
        let conn = match to.scheme() {
            Scheme::Tcp => {
                let guard = Guard::new(self.tcp_within(timeout), limiter);
                guard.dial_within(target, timeout).await.map(Conn::new)
            }
            #[cfg(feature = "tls")]
            Scheme::Tls => {
                let raw = self.over_tls(self.tcp_within(timeout), options).await?;
                let guard = Guard::new(raw, limiter);
                Box::pin(guard.dial_within(target, timeout))
                    .await
                    .map(Conn::new)
            }
            #[cfg(feature = "uds")]
            Scheme::Unix => self.uds.dial_within(target, timeout).await.map(Conn::new),
            #[cfg(feature = "arti")]
            Scheme::Tor => {
                let dialer = self.tor().await?;
                Box::pin(dialer.dial_within(target, timeout))
                    .await
                    .map(Conn::new)
            }
            #[cfg(all(feature = "arti", feature = "tls"))]
            Scheme::TlsOverTor => {
                let below = self.tor.tor.net().await?.dialer();
                let guard = Guard::new(self.over_tls(below, options).await?, limiter);
                Box::pin(guard.dial_within(target, timeout))
                    .await
                    .map(Conn::new)
            }
            Scheme::Custom => {
                let dialer = self.custom.find(to)?;
                dialer.dial(target, limiter, timeout).await
            }
            #[cfg(feature = "tls")]
            Scheme::TlsOverCustom => {
                let dialer = self.custom.find(to)?;
                let (live, options) = (self.client_tls(options).await?, options.tls.clone());
                let dialed = dialer.dial_tls(target, limiter, timeout, live, options);
                dialed.await
            }
            #[allow(unreachable_patterns)]
            scheme => Err(unsupported::scheme(scheme)),
        }?;
        if let Some(idle) = options.idle_timeout {
            conn.control().set_idle_timeout(idle);
        }
        Ok(conn)
    }

    /// Returns a dialer that has this long for all addresses.
    fn tcp_within(&self, timeout: Duration) -> TcpDialer {
        let dialer = self.tcp.get_ref().clone();
        dialer.with_dial_timeout(move || timeout)
    }

    #[cfg(feature = "tls")]
    async fn over_tls<D: Dialer>(
        &self,
        below: D,
        options: &DialOptions,
    ) -> Result<TlsDialer<D>, TransportError> {
        let live = self.client_tls(options).await?;
        let observer = self.tcp.limiter().shared_observer();
        TlsDialer::over(below, &live, observer).with_options(options.tls.clone())
    }

    /// Returns the configuration of the options, else that of the transport.
    #[cfg(feature = "tls")]
    async fn client_tls(
        &self,
        options: &DialOptions,
    ) -> Result<Reloadable<ClientTls>, TransportError> {
        let state = &self.tls.tls;
        match &options.client_tls {
            Some(own) => {
                state.check_pq(own.pq_mode())?;
                Ok(Reloadable::from(Arc::clone(own)))
            }
            None => tls::client(state).await,
        }
    }
}
