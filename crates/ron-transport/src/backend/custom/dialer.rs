//! The guarded custom dialers, by scheme.

use std::fmt;
use std::sync::Arc;

use transport_core::{Backend, Connection, Dialer, Target, TransportError};

use super::raw::{named, BoxFuture};
use crate::backend::dialers::DialLayers;
#[cfg(feature = "tls")]
use crate::backend::dialers::TlsLayer;
use crate::conn::Conn;
use crate::endpoint::Endpoint;
use crate::scheme::Scheme;

/// The custom dialers of a transport.
#[derive(Default)]
pub(crate) struct CustomDialers(Vec<UnguardedDialer>);

impl fmt::Debug for CustomDialers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schemes = self.0.iter().map(UnguardedDialer::scheme);
        f.debug_set().entries(schemes).finish()
    }
}

impl CustomDialers {
    pub(super) const fn new(dialers: Vec<UnguardedDialer>) -> Self {
        Self(dialers)
    }

    /// Returns the dialer of a target's scheme.
    ///
    /// The error lists the schemes that the transport dials.
    pub(crate) fn find(&self, to: &Endpoint) -> Result<&dyn DialErased, TransportError> {
        let Target::Custom { scheme, .. } = to.target() else {
            return Err(self.unknown(to.scheme().as_str()));
        };
        let found = self.0.iter().find(|dialer| dialer.scheme == scheme);
        let found = found.ok_or_else(|| self.unknown(scheme))?;
        Ok(found.dialer.as_ref())
    }

    fn unknown(&self, scheme: &str) -> TransportError {
        let built_in = Scheme::ALL.into_iter();
        let built_in = built_in.filter(|scheme| scheme.missing_backend().is_none());
        let mut known: Vec<_> = built_in.map(|scheme| scheme.as_str().to_owned()).collect();
        for custom in &self.0 {
            known.push(custom.scheme.to_owned());
            if cfg!(feature = "tls") {
                known.push(format!("tls+{}", custom.scheme));
            }
        }
        let source = format!(
            "scheme {scheme:?} has no dialer: this transport dials {}; \
             TransportBuilder::raw_dialer adds a scheme",
            known.join(", ")
        );
        TransportError::Config {
            source: source.into(),
        }
    }
}

/// A custom dialer without its type.
pub(super) struct UnguardedDialer {
    scheme: &'static str,
    dialer: Box<dyn DialErased>,
}

impl UnguardedDialer {
    pub(super) fn new<D: Dialer>(scheme: &'static str, dialer: D) -> Self {
        let dialer = Box::new(NamedDialer::new(scheme, Arc::new(dialer)));
        Self { scheme, dialer }
    }

    pub(super) const fn scheme(&self) -> &'static str {
        self.scheme
    }
}

/// A raw dialer. The scheme replaces the backend that it reports.
pub(super) struct NamedDialer<D> {
    scheme: &'static str,
    dialer: Arc<D>,
}

impl<D> NamedDialer<D> {
    pub(super) const fn new(scheme: &'static str, dialer: Arc<D>) -> Self {
        Self { scheme, dialer }
    }

    #[cfg(test)]
    pub(super) fn get_ref(&self) -> &D {
        &self.dialer
    }
}

impl<D> Clone for NamedDialer<D> {
    fn clone(&self) -> Self {
        Self {
            scheme: self.scheme,
            dialer: Arc::clone(&self.dialer),
        }
    }
}

impl<D: Dialer> Dialer for NamedDialer<D> {
    type Io = D::Io;

    const PRIVATE: bool = D::PRIVATE;

    fn backend(&self) -> Backend {
        Backend::Custom(self.scheme)
    }

    async fn dial(&self, to: &Target) -> Result<Connection<D::Io>, TransportError> {
        let (io, info) = self.dialer.dial(to).await?.into_parts();
        Ok(Connection::new(io, named(info, self.scheme)))
    }
}

/// A [`Dialer`] without its type, which guards each dial.
pub(crate) trait DialErased: Send + Sync {
    fn dial<'a>(
        &'a self,
        layers: &'a DialLayers<'_>,
    ) -> BoxFuture<'a, Result<Conn, TransportError>>;

    /// Dials with TLS over the connection.
    #[cfg(feature = "tls")]
    fn dial_tls<'a>(
        &'a self,
        layers: &'a DialLayers<'_>,
        tls: TlsLayer,
    ) -> BoxFuture<'a, Result<Conn, TransportError>>;
}

impl<D: Dialer> DialErased for NamedDialer<D> {
    fn dial<'a>(
        &'a self,
        layers: &'a DialLayers<'_>,
    ) -> BoxFuture<'a, Result<Conn, TransportError>> {
        Box::pin(layers.plain(self.clone()))
    }

    #[cfg(feature = "tls")]
    fn dial_tls<'a>(
        &'a self,
        layers: &'a DialLayers<'_>,
        tls: TlsLayer,
    ) -> BoxFuture<'a, Result<Conn, TransportError>> {
        Box::pin(layers.tls(self.clone(), tls))
    }
}
