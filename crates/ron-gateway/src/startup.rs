//! Where the configuration comes from, and loading it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ron_transport::config::{Config, ConfigErrors, Loaded, Loader, Source};

use ron_transport::core::schema::format_duration;

use crate::conflicts;
use crate::exit::Failure;
use crate::process;
use crate::settings::Gateway;
use crate::systemd;

/// The gateway's own defaults for keys of the transport, where it listens at an address: a layer
/// below every other.
const DEFAULTS: &str = "[transport]\nbind_addr = '127.0.0.1:9444'\n";
/// How long systemd waits for a stop by the unit file in `docs/deploy/`.
const STOP_TIMEOUT: Duration = Duration::from_secs(75);
/// What a stop may take beyond its drain.
const AFTER_DRAIN: Duration = Duration::from_millis(250);
/// What that layer is called.
const DEFAULTS_NAME: &str = "gateway default";

/// What the command line says about configuration; the environment joins when it is loaded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) flags: Vec<(String, OsString)>,
    /// Whether a certificate is made in memory.
    pub(crate) dev_tls: bool,
}

/// The configuration in effect.
pub(crate) struct Effective {
    pub(crate) transport: Loaded<Config>,
    pub(crate) gateway: Loaded<Gateway>,
}

impl Sources {
    /// Loads both tables.
    pub(crate) fn load(&self) -> Result<Effective, ConfigErrors> {
        // Read once: what is peeked at is what is loaded.
        let mut loader = self.layers().snapshot();
        let backend = loader.peek::<Config>("backend");
        if !matches!(backend.as_deref(), Some("uds" | "arti")) {
            loader = loader.toml_str_below(DEFAULTS, DEFAULTS_NAME);
        }
        let (transport, gateway) = loader.load_with()?;
        Ok(Effective { transport, gateway })
    }

    /// What was given.
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

    /// Loads what a service that listens needs.
    pub(crate) fn load_to_listen(&self) -> Result<Effective, Failure> {
        let effective = self.load()?;
        let mut missing = effective.transport.settings().missing_to_listen();
        if self.dev_tls {
            missing.retain(|key| !key.starts_with("tls."));
        }
        if missing.is_empty() {
            // A socket that is handed over takes the place of the configured address.
            if !systemd::is_passed_sockets() {
                conflicts::check(&effective)?;
            }
            return Ok(effective);
        }
        let backend = effective.transport.settings().general.backend();
        let keys: Vec<_> = missing
            .iter()
            .map(|key| format!("transport.{key}"))
            .collect();
        Err(Failure::Config(format!(
            "configuration: backend {backend} cannot listen without {}",
            keys.join(", ")
        )))
    }
}

impl Effective {
    /// The warnings of both tables, each once, and what does not fit the unit file.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = Vec::new();
        let both = self.transport.warnings().iter();
        for warning in both.chain(self.gateway.warnings()) {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        let settings = self.transport.settings();
        for (key, value, rest) in [
            (
                "idle_timeout",
                settings.limits.deadlines().idle,
                Duration::ZERO,
            ),
            (
                "drain_timeout",
                settings.general.drain_timeout(),
                AFTER_DRAIN,
            ),
        ] {
            if value + rest > STOP_TIMEOUT {
                warnings.push(format!(
                    "{key} is {}, too much for TimeoutStopSec={} of the unit file: raise that too, \
                     or systemd cuts a stop short",
                    format_duration(value),
                    STOP_TIMEOUT.as_secs(),
                ));
            }
        }
        warnings
    }
}

/// A source as the gateway calls it.
pub(crate) fn source_name(source: &Source) -> String {
    match source {
        Source::File(name) if name == DEFAULTS_NAME => DEFAULTS_NAME.to_owned(),
        source => source.to_string(),
    }
}
