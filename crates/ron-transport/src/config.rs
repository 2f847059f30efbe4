//! Configuration: typed settings, and their loader from flags, environment and files.
//!
//! [`Config`] is the table `[transport]`; [`Config::loader`] starts a [`Loader`]. Each group of
//! settings is a [`Section`] of the crate that uses it;
//! this module only lists the sections. The loader knows no key by name: an embedder implements
//! [`Settings`] to load a table of its own, with its own prefix.

mod cross_checks;
mod docs;
mod env;
mod error;
mod file;
mod flags;
mod general;
mod layer;
mod loaded;
mod loader;
mod named;
mod paths;
mod preset;
mod settings;
mod source;
mod suggest;
mod tree;

pub use docs::{markdown, markdown_of, presets_markdown};
pub use error::{ConfigError, ConfigErrors};
pub use general::{General, COMPILED_BACKENDS};
pub use loaded::{Effective, Loaded};
pub use loader::Loader;
pub use named::{NamedSettings, NamedTable};
pub use paths::{named_paths, NamedPath};
pub use preset::Preset;
pub use settings::{changed, check, Settings};
pub use source::Source;
pub use suggest::suggest;

use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "arti")]
use transport_arti::ArtiConfig;
use transport_core::schema::{format_duration, Choice, Key, Section, ValueError};
use transport_core::Backend;
use transport_limits::{Limits, Overflow};
use transport_proxy::ProxyConfig;
use transport_tcp::TcpConfig;
#[cfg(feature = "tls")]
use transport_tls::{PqConfig, TlsClientConfig, TlsConfig};
#[cfg(feature = "uds")]
use transport_uds::UdsConfig;

/// The settings of a transport: the table `[transport]`.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Config {
    /// Backend, address and drain.
    pub general: General,
    /// Connections, deadlines, frames, rates and peers.
    pub limits: Limits,
    /// Socket options of the TCP backend.
    pub tcp: TcpConfig,
    /// Trusted balancers in front, and the PROXY header to upstreams.
    pub proxy: ProxyConfig,
    /// Certificate and client authentication of a TLS listener.
    #[cfg(feature = "tls")]
    pub tls: TlsConfig,
    /// Trust store and client certificate of a TLS dialer.
    #[cfg(feature = "tls")]
    pub tls_client: TlsClientConfig,
    /// Post-quantum key exchange.
    #[cfg(feature = "tls")]
    pub pq: PqConfig,
    /// Path of the Unix socket, and its allowed users.
    #[cfg(feature = "uds")]
    pub uds: UdsConfig,
    /// Settings of the Tor client and its onion service.
    #[cfg(feature = "arti")]
    pub arti: ArtiConfig,
}

impl Config {
    /// Returns a loader. It reads nothing before [`Loader::load`].
    #[must_use]
    pub fn loader() -> Loader {
        Loader::default()
    }

    /// Returns whether the transport listens; otherwise it only dials.
    #[must_use]
    pub fn listens(&self) -> bool {
        match self.general.backend() {
            #[cfg(feature = "uds")]
            Backend::Uds => self.uds.path().is_some(),
            #[cfg(feature = "arti")]
            Backend::Arti => self.arti.onion_service().enabled(),
            _ => self.general.bind_addr().is_some(),
        }
    }

    /// Returns the unset keys that a listener of the configured backend needs.
    ///
    /// They are the address, path or onion service, and with TLS the certificate and its key. The
    /// embedder may pass a socket or a certificate instead.
    #[must_use]
    pub fn missing_to_listen(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        match self.general.backend() {
            #[cfg(feature = "uds")]
            Backend::Uds if self.uds.path().is_none() => missing.push("uds.path"),
            #[cfg(feature = "uds")]
            Backend::Uds => {}
            #[cfg(feature = "arti")]
            Backend::Arti if !self.arti.onion_service().enabled() => {
                missing.push("arti.onion_service.enabled");
            }
            #[cfg(feature = "arti")]
            Backend::Arti => {}
            _ if self.general.bind_addr().is_none() => missing.push("bind_addr"),
            _ => {}
        }
        #[cfg(feature = "tls")]
        if self.general.backend() == Backend::Tls && self.tls.cert_path().is_none() {
            missing.extend(["tls.cert_path", "tls.key_path"]);
        }
        missing
    }

    /// Returns a warning if one peer can use all connections.
    ///
    /// `listen` is the configured address or that of an inherited socket. There is no warning for a
    /// loopback address, or with `per_peer.max_conns`.
    #[must_use]
    pub fn uncapped(&self, listen: SocketAddr) -> Option<String> {
        let is_local = listen.ip().to_canonical().is_loopback();
        let cap = self.limits.peer_max_conns();
        if is_local || (cap > 0 && cap <= self.limits.max_conns()) {
            return None;
        }
        Some(format!(
            "listening on {listen} with per_peer.max_conns off or above max_conns: one address can hold all {} \
             connections; set per_peer.max_conns and per_peer.accepts_per_sec, or preset = \
             \"{}\"",
            self.limits.max_conns(),
            Preset::Public.as_str(),
        ))
    }

    /// Returns the keys of `[transport]` in the order of the manual.
    #[must_use]
    pub fn keys() -> Vec<&'static Key> {
        Self::all_keys()
    }
}

/// The list of sections. A new backend adds its field here and to [`Config`].
macro_rules! sections {
    ($($(#[$when:meta])? $field:ident),+ $(,)?) => {
        fn sections(&self) -> Vec<&dyn Section> {
            Vec::from([$($(#[$when])? (&self.$field as &dyn Section)),+])
        }

        fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
            Vec::from([$($(#[$when])? (&mut self.$field as &mut dyn Section)),+])
        }
    };
}

impl Settings for Config {
    const TABLE: &'static str = "transport";
    const ENV_PREFIX: &'static str = "RON_TRANSPORT_";

    sections!(
        general,
        limits,
        tcp,
        proxy,
        #[cfg(feature = "tls")]
        tls,
        #[cfg(feature = "tls")]
        tls_client,
        #[cfg(feature = "tls")]
        pq,
        #[cfg(feature = "uds")]
        uds,
        #[cfg(feature = "arti")]
        arti,
    );

    fn check_across(&self) -> Vec<(&'static str, ValueError)> {
        cross_checks::check(self)
    }

    fn missing_feature(name: &str) -> Option<&'static str> {
        let group = match name.split(['.', '_']).next().unwrap_or_default() {
            "pq" => "tls",
            group => group,
        };
        let backend = Backend::ALL.into_iter().find(|b| b.as_str() == group)?;
        (!COMPILED_BACKENDS.contains(&backend)).then(|| backend.as_str())
    }

    fn preset_values(name: &str) -> &'static [(&'static str, &'static str)] {
        Preset::from_word(name).map_or(&[], Preset::values)
    }

    fn warnings(&self, max_fd: Option<u64>) -> Vec<String> {
        let conns = self.limits.max_conns();
        let over = |limit: &u64| conns > limit / 2;
        let text = |limit: u64| {
            format!(
                "max_conns is {conns}, over half of the {limit} file descriptors this process may \
                 open: a relayed connection takes two"
            )
        };
        let mut warnings: Vec<_> = max_fd.filter(over).map(text).into_iter().collect();
        let deadlines = self.limits.deadlines();
        if deadlines.dial >= deadlines.idle && !deadlines.idle.is_zero() {
            let [dial, idle] = [deadlines.dial, deadlines.idle].map(format_duration);
            warnings.push(format!(
                "dial_timeout is {dial}, not below idle_timeout ({idle}): a client that waits for \
                 a dial may seem idle"
            ));
        }
        warnings.extend(
            self.general
                .bind_addrs()
                .iter()
                .find_map(|addr| self.uncapped(*addr)),
        );
        warnings.extend(self.tcp.warnings());
        warnings.extend(spoofable(&self.proxy));
        warnings.extend(cut_header(&self.proxy, deadlines.handshake));
        warnings.extend(eviction(&self.limits));
        warnings
    }
}

/// Returns a warning if every peer may announce any address.
fn spoofable(proxy: &ProxyConfig) -> Option<String> {
    let network = proxy.trusted().everyone()?;
    Some(format!(
        "proxy.trusted has {network}: every peer can announce any address, and evade per_peer limits and \
         peers.deny; list the addresses of the balancers"
    ))
}

/// Returns a warning if the handshake deadline cuts the header deadline.
///
/// Both begin with the accept.
fn cut_header(proxy: &ProxyConfig, handshake: Duration) -> Option<String> {
    if proxy.trusted().is_empty() || proxy.header_timeout() <= handshake {
        return None;
    }
    let [header, handshake] = [proxy.header_timeout(), handshake].map(format_duration);
    Some(format!(
        "proxy.header_timeout is {header}, longer than handshake_timeout ({handshake}), which includes \
         the PROXY header: a header has only {handshake}; raise handshake_timeout or lower \
         proxy.header_timeout"
    ))
}

/// Returns warnings about likely mistakes with `overflow = "evict"`.
fn eviction(limits: &Limits) -> Vec<String> {
    if limits.overflow() != Overflow::Evict {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    if limits.peer_max_conns() == 0 && limits.peer_accepts_per_sec() == 0 {
        warnings.push(
            "overflow is evict without per_peer.max_conns or per_peer.accepts_per_sec: one address \
             can evict every idle connection of the others"
                .to_owned(),
        );
    }
    let idle = limits.deadlines().idle;
    if limits.evict_after() >= idle && !idle.is_zero() {
        let [after, idle] = [limits.evict_after(), idle].map(format_duration);
        warnings.push(format!(
            "evict_after is {after}, not below idle_timeout ({idle}): no connection is evicted before \
             it ends by itself"
        ));
    }
    warnings
}
