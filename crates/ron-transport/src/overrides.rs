//! Settings of the builder, merged into a configuration.

use std::net::SocketAddr;
#[cfg(any(feature = "tls", feature = "uds"))]
use std::path::PathBuf;

use transport_core::schema::ValueError;
use transport_core::{Backend, TransportError};
use transport_limits::Limits;

use crate::config::Config;

/// Settings of the builder. A configuration may not set the same key to another value.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) backend: Option<Backend>,
    pub(crate) bind_addrs: Option<Vec<SocketAddr>>,
    pub(crate) limits: Option<Limits>,
    /// Certificate and key.
    #[cfg(feature = "tls")]
    pub(crate) tls_files: Option<(PathBuf, PathBuf)>,
    /// Whether the embedder passes the certificate in memory.
    #[cfg(feature = "tls")]
    pub(crate) has_server_tls: bool,
    #[cfg(feature = "uds")]
    pub(crate) unix: Option<PathBuf>,
    #[cfg(feature = "uds")]
    pub(crate) allow_uids: Option<Vec<u32>>,
}

impl Overrides {
    /// Merges the settings into a configuration.
    pub(crate) fn merge_into(self, mut config: Config) -> Result<Config, TransportError> {
        let default = Config::default();
        if let Some(addrs) = self.bind_addrs {
            let current = config.general.bind_addrs().to_vec();
            unless_set("bind_addr", &current, &Vec::new(), &addrs)?;
            let set = config.general.set_bind_addrs(addrs);
            set.map_err(|e| invalid("bind_addr", &e))?;
        }
        if let Some(limits) = self.limits {
            unless_set("limits", &config.limits, &default.limits, &limits)?;
            config.limits = limits;
        }
        #[cfg_attr(not(any(feature = "tls", feature = "uds")), allow(unused_mut))]
        let mut implied = None;
        #[cfg(feature = "tls")]
        {
            if let Some((cert, key)) = self.tls_files {
                let (cert, key) = (Some(cert), Some(key));
                let now = |path: Option<&std::path::Path>| path.map(std::path::Path::to_owned);
                unless_set("tls.cert_path", &now(config.tls.cert_path()), &None, &cert)?;
                unless_set("tls.key_path", &now(config.tls.key_path()), &None, &key)?;
                config.tls.set_cert_path(cert);
                config.tls.set_key_path(key);
                implied = Some(Backend::Tls);
            }
            if self.has_server_tls {
                implied = Some(Backend::Tls);
            }
        }
        #[cfg(feature = "uds")]
        {
            if let Some(path) = self.unix {
                let now = config.uds.path().map(std::path::Path::to_owned);
                unless_set("uds.path", &now, &None, &Some(path.clone()))?;
                config
                    .uds
                    .set_path(path)
                    .map_err(|e| invalid("uds.path", &e))?;
                implied = match implied {
                    None => Some(Backend::Uds),
                    Some(tls) => return Err(conflict(&format!("uds.path and backend {tls}"))),
                };
            }
            if let Some(uids) = self.allow_uids {
                let now = config.uds.allow_uids().to_vec();
                unless_set("uds.allow_uids", &now, &Vec::new(), &uids)?;
                let set = config.uds.set_allow_uids(uids);
                set.map_err(|e| invalid("uds.allow_uids", &e))?;
            }
        }
        let backend = match (self.backend, implied) {
            (Some(set), Some(implied)) if set != implied => {
                return Err(conflict(&format!("backend {set} and backend {implied}")));
            }
            (Some(backend), _) | (None, Some(backend)) => backend,
            (None, None) => return Ok(config),
        };
        let now = config.general.backend();
        unless_set("backend", &now, &default.general.backend(), &backend)?;
        let set = config.general.set_backend(backend);
        set.map_err(|e| invalid("backend", &e))?;
        Ok(config)
    }
}

/// Fails if configuration and builder set a key to different values.
fn unless_set<T: PartialEq>(
    key: &str,
    current: &T,
    default: &T,
    new: &T,
) -> Result<(), TransportError> {
    if current == default || current == new {
        return Ok(());
    }
    Err(error(format!(
        "{key} has one value in the configuration and another in the builder: set it once"
    )))
}

fn conflict(settings: &str) -> TransportError {
    error(format!(
        "the builder sets {settings}, which exclude each other: set one of them"
    ))
}

fn invalid(key: &str, why: &ValueError) -> TransportError {
    error(format!("{key}: {why}"))
}

fn error(text: String) -> TransportError {
    TransportError::Config {
        source: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn merge(config: &Config, set: impl FnOnce(&mut Overrides)) -> Result<Config, String> {
        let mut overrides = Overrides::default();
        set(&mut overrides);
        let merged = overrides.merge_into(config.clone());
        merged.map_err(|error| error.to_string())
    }

    #[test]
    fn setters_merge_with_a_configuration() {
        let mut config = Config::default();
        config.limits.set_max_conns(7).unwrap();
        let merged = merge(&config, |o| o.bind_addrs = Some(vec![addr(1)])).unwrap();
        assert_eq!(merged.general.bind_addr(), Some(addr(1)));
        assert_eq!(merged.limits.max_conns(), 7);
        assert_eq!(merge(&config, |_| ()).unwrap(), config);
    }

    #[test]
    fn setter_and_configuration_that_differ() {
        let mut config = Config::default();
        config.general.set_bind_addr(Some(addr(1)));
        config.limits.set_max_conns(7).unwrap();
        let error = merge(&config, |o| o.bind_addrs = Some(vec![addr(2)])).unwrap_err();
        assert!(error.starts_with("bind_addr has one value"), "{error}");
        let error = merge(&config, |o| o.limits = Some(Limits::default())).unwrap_err();
        assert!(error.starts_with("limits has one value"), "{error}");
        merge(&config, |o| o.bind_addrs = Some(vec![addr(1)])).unwrap();
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_files_select_the_backend() {
        let files = || Some(("cert.pem".into(), "key.pem".into()));
        let merged = merge(&Config::default(), |o| o.tls_files = files()).unwrap();
        assert_eq!(merged.general.backend(), Backend::Tls);
        let both = merge(&Config::default(), |o| {
            o.tls_files = files();
            o.backend = Some(Backend::Tcp);
        });
        assert!(both.unwrap_err().contains("exclude each other"));
    }

    #[cfg(feature = "uds")]
    #[test]
    fn unix_path_selects_the_backend() {
        let merged = merge(&Config::default(), |o| o.unix = Some("/run/x".into())).unwrap();
        assert_eq!(merged.general.backend(), Backend::Uds);
        let relative = merge(&Config::default(), |o| o.unix = Some("x".into()));
        assert!(relative.unwrap_err().starts_with("uds.path: "));
    }
}
