//! The configuration of one listener, named or not.

use ron_transport::{Backend, Config, ListenAddr};
#[cfg(feature = "arti")]
use ron_transport::{Endpoint, Scheme};

use crate::settings::ListenerService;

/// The configuration of one listener: its transport and its service.
///
/// A gateway without `[listeners.NAME]` has one, without a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListenerPlan {
    pub(crate) name: Option<String>,
    pub(crate) config: Config,
    pub(crate) service: ListenerService,
}

impl ListenerPlan {
    /// Returns this listener's full name of a `[transport]` key.
    pub(crate) fn transport_key(&self, path: &str) -> String {
        self.key("transport", path)
    }

    /// Returns this listener's full name of a `[gateway]` key.
    pub(crate) fn service_key(&self, path: &str) -> String {
        self.key("gateway", path)
    }

    fn key(&self, table: &str, path: &str) -> String {
        match &self.name {
            Some(name) => format!("listeners.{name}.{path}"),
            None => format!("{table}.{path}"),
        }
    }

    /// Returns the configured addresses; none for an onion service.
    pub(crate) fn addrs(&self) -> Vec<ListenAddr> {
        match self.config.general.backend() {
            #[cfg(feature = "uds")]
            Backend::Uds => {
                let path = self.config.uds.path().into_iter();
                path.map(|path| ListenAddr::Unix(path.to_path_buf()))
                    .collect()
            }
            Backend::Tcp | Backend::Tls => {
                let addrs = self.config.general.bind_addrs().iter();
                addrs.copied().map(ListenAddr::Ip).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the key of the addresses.
    pub(crate) fn addr_key(&self) -> String {
        self.transport_key(match self.config.general.backend() {
            Backend::Uds => "uds.path",
            _ => "bind_addr",
        })
    }

    /// Returns whether the listener needs a Tor client.
    #[cfg(feature = "arti")]
    pub(crate) fn uses_tor(&self) -> bool {
        let over_tor = |to: &Endpoint| matches!(to.scheme(), Scheme::Tor | Scheme::TlsOverTor);
        self.config.general.backend() == Backend::Arti
            || self.service.targets().iter().any(over_tor)
    }

    /// Returns whether the listener needs a Tor client: never in this build.
    #[cfg(not(feature = "arti"))]
    pub(crate) fn uses_tor(&self) -> bool {
        let _ = self;
        false
    }
}
