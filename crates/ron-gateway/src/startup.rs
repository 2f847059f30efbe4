//! The sources of the configuration, and loading them.

use std::ffi::OsString;
use std::path::PathBuf;

use ron_transport::config::{Config, ConfigErrors, Loader};

use crate::conflicts;
use crate::effective::{EffectiveConfig, DEFAULTS_NAME};
use crate::exit::ExitFailure;
use crate::process;
use crate::settings::ListenerSettings;
use crate::systemd;

/// The gateway's own defaults for `[transport]`, below every other layer.
///
/// They apply to a backend that listens on an IP address.
const DEFAULTS: &str = "[transport]\nbind_addr = '127.0.0.1:9444'\n";

/// The configuration sources of the command line.
///
/// The environment is added when the configuration is loaded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) flags: Vec<(String, OsString)>,
    /// Whether to create a certificate in memory.
    pub(crate) dev_tls: bool,
}

impl Sources {
    /// Loads both tables.
    pub(crate) fn load(&self) -> Result<EffectiveConfig, ConfigErrors> {
        // Read the sources once: the backend and the load must see the same content.
        let mut loader = self.layers().snapshot();
        let backend = loader.peek::<Config>("backend");
        let needs_path = matches!(backend.as_deref(), Some("uds" | "arti"));
        if !needs_path && !loader.has_named::<ListenerSettings>() {
            loader = loader.toml_str_below(DEFAULTS, DEFAULTS_NAME);
        }
        let (transport, gateway, listeners) = loader.load_with_named()?;
        Ok(EffectiveConfig {
            transport,
            gateway,
            listeners,
        })
    }

    /// Returns the layers, from the file to the flags.
    fn layers(&self) -> Loader {
        let mut loader = Loader::default();
        for file in &self.files {
            loader = loader.file(file);
        }
        for (name, value) in &self.flags {
            loader = loader.flag(name, value);
        }
        loader.env_from_process().max_fd(process::max_fd())
    }

    /// Loads both tables and checks the keys that listening requires.
    pub(crate) fn load_to_listen(&self) -> Result<EffectiveConfig, ExitFailure> {
        let effective = self.load()?;
        let plans = effective.plans();
        let passed = systemd::passed_names();
        for plan in &plans {
            let mut missing = plan.config.missing_to_listen();
            if self.dev_tls {
                missing.retain(|key| !key.starts_with("tls."));
            }
            if plan.name.as_ref().is_some_and(|name| passed.contains(name)) {
                // An inherited socket replaces the configured address.
                missing.retain(|key| !matches!(*key, "bind_addr" | "uds.path"));
            }
            if !missing.is_empty() {
                let backend = plan.config.general.backend();
                let keys: Vec<_> = missing.iter().map(|key| plan.transport_key(key)).collect();
                return Err(ExitFailure::Config(format!(
                    "configuration: backend {backend} cannot listen without {}",
                    keys.join(", ")
                )));
            }
        }
        if !systemd::is_passed_sockets() {
            conflicts::check(&effective, &plans)?;
        }
        Ok(effective)
    }
}
