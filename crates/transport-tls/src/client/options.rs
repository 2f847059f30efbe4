//! Changes of one handshake to its client configuration.

use transport_core::escape::escape;
use transport_core::{Failure, TransportError};

use super::{server_name, ClientIdentity};
use crate::config::{ALPN_RULE, MAX_ALPN};

/// Changes of one handshake to its client configuration.
///
/// ```
/// use transport_tls::ClientOptions;
///
/// let options = ClientOptions::new()
///     .with_alpn(["postgresql"])
///     .with_server_name("db.internal");
/// options.check()?;
/// assert!(ClientOptions::new().with_server_name("no name").check().is_err());
/// # Ok::<(), transport_core::TransportError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    pub(super) alpn: Option<Vec<Vec<u8>>>,
    pub(super) server_name: Option<String>,
    pub(super) identity: Option<ClientIdentity>,
}

impl ClientOptions {
    /// Returns options that change nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the offered protocols (ALPN), most preferred first.
    ///
    /// They take the place of `tls_client.alpn`. An empty list offers none.
    #[must_use]
    pub fn with_alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = Some(protocols.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the name that the server must prove (SNI).
    ///
    /// It takes the place of the dialed host and of `tls_client.sni_override`.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Sets the client certificate, in place of `tls_client.cert_path`.
    ///
    /// The handshake resumes no session, because a resumed session has the identity of an earlier
    /// handshake.
    #[must_use]
    pub fn with_identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Returns whether it changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.alpn.is_none() && self.server_name.is_none() && self.identity.is_none()
    }

    /// Checks the values.
    ///
    /// # Errors
    /// [`TransportError::Config`] for more than 32 protocols, a protocol that is not 1 to 255 bytes
    /// long, or a server name that is neither a DNS name nor an IP address.
    pub fn check(&self) -> Result<(), TransportError> {
        let alpn = self.alpn.as_deref().unwrap_or_default();
        let fits = |name: &Vec<u8>| (1..=255).contains(&name.len());
        if let Some(name) = alpn.iter().find(|name| !fits(name)) {
            let len = name.len();
            return Err(config(format!(
                "a protocol of {len} bytes: ALPN takes {ALPN_RULE}"
            )));
        }
        if alpn.len() > MAX_ALPN {
            let many = alpn.len();
            return Err(config(format!("{many} protocols: ALPN takes {ALPN_RULE}")));
        }
        match &self.server_name {
            Some(name) if server_name(name, false).is_err() => Err(config(format!(
                "{} is not a valid server name: use a DNS name or an IP address",
                escape(name).quoted()
            ))),
            _ => Ok(()),
        }
    }
}

fn config(text: String) -> TransportError {
    TransportError::Config {
        source: Box::new(Failure::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &ClientOptions) -> String {
        match options.check().unwrap_err() {
            TransportError::Config { source } => source.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_out_of_range_are_config_errors() {
        assert!(ClientOptions::new().is_empty());
        let most = ClientOptions::new().with_alpn(vec![vec![b'x'; 255]; 32]);
        most.check().unwrap();
        ClientOptions::new()
            .with_alpn([] as [&str; 0])
            .check()
            .unwrap();
        for (options, text) in [
            (
                ClientOptions::new().with_alpn([""]),
                "a protocol of 0 bytes",
            ),
            (
                ClientOptions::new().with_alpn([vec![0; 256]]),
                "a protocol of 256 bytes",
            ),
            (ClientOptions::new().with_alpn(["x"; 33]), "33 protocols"),
            (
                ClientOptions::new().with_server_name(""),
                "is not a valid server name",
            ),
            (
                ClientOptions::new().with_server_name("a b"),
                "is not a valid server name",
            ),
        ] {
            let said = refused(&options);
            assert!(said.contains(text), "{said}");
        }
        for name in ["db.internal", "127.0.0.1", "::1"] {
            ClientOptions::new().with_server_name(name).check().unwrap();
        }
    }
}
