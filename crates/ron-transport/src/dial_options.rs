//! Options of one dial.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "arti")]
use transport_arti::IsolationToken;
use transport_core::{ConnInfo, Failure, TransportError};
use transport_limits::{Deadlines, Limits};
use transport_proxy::ViaProxy;
#[cfg(feature = "tls")]
use transport_tls::{ClientIdentity, ClientOptions, ClientTls};

use crate::scheme::Scheme;

/// Options of one dial, in place of the transport's configuration.
///
/// The dial checks every value before it opens a socket.
///
/// ```no_run
/// use std::time::Duration;
///
/// use ron_transport::{DialOptions, Transport};
///
/// # async fn example(transport: &Transport) -> Result<(), Box<dyn std::error::Error>> {
/// let options = DialOptions::new()
///     .with_timeout(Duration::from_secs(2))
///     .with_idle_timeout(Duration::ZERO)
///     .with_alpn(["h2"])
///     .with_server_name("api.internal");
/// let conn = transport.dial_with("tls://10.0.0.7:443", &options).await?;
/// println!("{:?}", conn.info().alpn);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DialOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    #[cfg(feature = "tls")]
    pub(crate) tls: ClientOptions,
    #[cfg(feature = "tls")]
    pub(crate) client_tls: Option<Arc<ClientTls>>,
    /// The client that a PROXY header announces.
    pub(crate) client: Option<Arc<ConnInfo>>,
    /// The proxy in place of `dial.via`.
    pub(crate) via: Option<Option<ViaProxy>>,
    #[cfg(feature = "arti")]
    pub(crate) isolation: Option<IsolationToken>,
}

impl DialOptions {
    /// Returns options that change nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline of the whole dial, in place of `dial_timeout`.
    ///
    /// It covers name resolution, connect, the negotiation with a proxy, the PROXY header and the TLS
    /// handshake.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the idle timeout of the connection; zero turns it off.
    ///
    /// It takes the place of `dial_idle_timeout`, as
    /// [`Control::set_idle_timeout`](crate::Control::set_idle_timeout) does.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Dials on behalf of an accepted connection, which [`Conn::info`](crate::Conn::info) describes.
    ///
    /// With `proxy.send` the connection begins with a PROXY header, below TLS, that announces the
    /// client: its address, and in version 2 its TLS session and the number of its connection.
    #[must_use]
    pub fn with_client(mut self, client: &ConnInfo) -> Self {
        self.client = Some(Arc::new(client.clone()));
        self
    }

    /// Sets the proxy in place of `dial.via`; `None` dials directly.
    ///
    /// It applies to `tcp://` and `tls://`, and a dial of another scheme fails with
    /// [`TransportError::Unsupported`]. The proxy resolves the name of the target.
    ///
    /// ```
    /// use ron_transport::{DialOptions, ViaProxy};
    ///
    /// let proxy: ViaProxy = "http://user:password@proxy.internal:3128".parse()?;
    /// let through = DialOptions::new().with_via(proxy);
    /// let direct = DialOptions::new().with_via(None);
    /// assert!(!format!("{through:?} {direct:?}").contains("password"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_via(mut self, proxy: impl Into<Option<ViaProxy>>) -> Self {
        self.via = Some(proxy.into());
        self
    }

    /// Sets the isolation of Tor circuits, in place of `arti.isolation`.
    ///
    /// A dial of a scheme without Tor fails with [`TransportError::Unsupported`].
    #[cfg(feature = "arti")]
    #[must_use]
    pub const fn with_isolation(mut self, token: IsolationToken) -> Self {
        self.isolation = Some(token);
        self
    }

    /// Sets the offered protocols (ALPN), most preferred first.
    ///
    /// They take the place of `tls_client.alpn`. An empty list offers none. [`ConnInfo::alpn`](crate::ConnInfo::alpn) has the result.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.tls = self.tls.with_alpn(protocols);
        self
    }

    /// Sets the name that the server must prove (SNI).
    ///
    /// It takes the place of the target's host and of `tls_client.sni_override`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.tls = self.tls.with_server_name(name);
        self
    }

    /// Sets the client certificate, in place of `tls_client.cert_path`.
    ///
    /// Such a dial resumes no session, because a resumed session has the identity of an earlier
    /// handshake. A [`ClientTls`] with the certificate keeps sessions of its own.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_client_identity(mut self, identity: ClientIdentity) -> Self {
        self.tls = self.tls.with_identity(identity);
        self
    }

    /// Sets the client-side TLS configuration, in place of `tls_client.*`.
    ///
    /// The other TLS options change it for this dial. Share one value between dials: it has the
    /// cache of their sessions.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_client_tls(mut self, tls: impl Into<Arc<ClientTls>>) -> Self {
        self.client_tls = Some(tls.into());
        self
    }

    /// Checks the values, and that the scheme has a use for them.
    ///
    /// # Errors
    /// [`TransportError::Config`] with the option at fault, [`TransportError::Unsupported`] for an
    /// isolation without Tor.
    pub(crate) fn check(&self, scheme: Scheme) -> Result<(), TransportError> {
        let mut deadlines = Deadlines::default();
        if let Some(timeout) = self.timeout {
            deadlines.dial = timeout;
            let set = Limits::new().with_deadlines(deadlines);
            set.map_err(|why| invalid(format!("the timeout of the dial {why}")))?;
        }
        if let Some(timeout) = self.idle_timeout {
            deadlines.dial_idle = Some(timeout);
            let set = Limits::new().with_deadlines(deadlines);
            set.map_err(|why| invalid(format!("the idle timeout of the dial {why}, or 0 (off)")))?;
        }
        #[cfg(feature = "arti")]
        if self.isolation.is_some() && !matches!(scheme, Scheme::Tor | Scheme::TlsOverTor) {
            return Err(TransportError::Unsupported {
                what: format!("isolation of {}: only Tor has circuits", scheme.as_str()),
            });
        }
        self.check_tls(scheme)
    }

    #[cfg(feature = "tls")]
    fn check_tls(&self, scheme: Scheme) -> Result<(), TransportError> {
        use Scheme::{Tls, TlsOverCustom, TlsOverTor};
        let has_tls = matches!(scheme, Tls | TlsOverTor | TlsOverCustom);
        if !has_tls && (!self.tls.is_empty() || self.client_tls.is_some()) {
            let scheme = scheme.as_str();
            return Err(invalid(format!(
                "TLS options need a scheme such as tls:// or tls+tor://, and the target is {scheme}://: remove \
                 them, or dial in plaintext and call Conn::upgrade_tls"
            )));
        }
        self.tls.check()
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    const fn check_tls(&self, _: Scheme) -> Result<(), TransportError> {
        Ok(())
    }
}

fn invalid(text: String) -> TransportError {
    TransportError::Config {
        source: Box::new(Failure::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &DialOptions, scheme: Scheme) -> String {
        match options.check(scheme).unwrap_err() {
            TransportError::Config { source } => source.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn deadlines_out_of_range_are_config_errors() {
        let options = DialOptions::new();
        options.check(Scheme::Tcp).unwrap();
        let off = options.clone().with_idle_timeout(Duration::ZERO);
        off.check(Scheme::Unix).unwrap();
        let zero = options.clone().with_timeout(Duration::ZERO);
        let said = refused(&zero, Scheme::Tcp);
        assert_eq!(said, "the timeout of the dial must be over 0");
        let long = options.clone().with_timeout(Duration::MAX);
        assert!(refused(&long, Scheme::Tcp).contains("the timeout of the dial"));
        let short = options.with_idle_timeout(Duration::from_millis(999));
        let said = refused(&short, Scheme::Tcp);
        assert!(said.contains("must be at least 1s"), "{said}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_options_need_a_tls_scheme() {
        for options in [
            DialOptions::new().with_alpn(["h2"]),
            DialOptions::new().with_server_name("example.org"),
        ] {
            for scheme in [Scheme::Tcp, Scheme::Unix, Scheme::Tor, Scheme::Custom] {
                let said = refused(&options, scheme);
                assert!(said.contains(scheme.as_str()), "{said}");
            }
            options.check(Scheme::Tls).unwrap();
            options.check(Scheme::TlsOverTor).unwrap();
            options.check(Scheme::TlsOverCustom).unwrap();
        }
        let wrong = DialOptions::new().with_server_name("a b");
        assert!(refused(&wrong, Scheme::Tls).contains("is not a valid server name"));
    }
}
