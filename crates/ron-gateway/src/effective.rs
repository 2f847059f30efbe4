//! The configuration in effect.

use std::time::Duration;

use ron_transport::config::{Config, Loaded, Source};
use ron_transport::schema::format_duration;

use crate::settings::Gateway;

/// Name of the layer with the gateway's defaults.
pub(crate) const DEFAULTS_NAME: &str = "gateway default";
/// How long systemd waits for a stop by the unit file in `docs/deploy/`.
const STOP_TIMEOUT: Duration = Duration::from_secs(75);
/// What a stop may take beyond its drain.
const AFTER_DRAIN: Duration = Duration::from_millis(250);

/// The configuration in effect.
pub(crate) struct EffectiveConfig {
    pub(crate) transport: Loaded<Config>,
    pub(crate) gateway: Loaded<Gateway>,
}

impl EffectiveConfig {
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
