//! The configuration in effect.

use std::time::Duration;

use ron_transport::config::{Config, Loaded, NamedTable, Source};
use ron_transport::limits::Limits;
use ron_transport::schema::{format_duration, format_size};

use crate::listener::ListenerPlan;
use crate::settings::{Gateway, ListenerSettings, MemoryPressure, Mode};

/// Name of the layer with the gateway's defaults.
pub(crate) const DEFAULTS_NAME: &str = "gateway default";
/// `TimeoutStopSec` of the unit file in `deploy/systemd/`.
const STOP_TIMEOUT: Duration = Duration::from_secs(75);
/// Time that a stop takes at most beyond its drain.
const AFTER_DRAIN: Duration = Duration::from_millis(250);
/// Resident memory of an idle gateway.
const IDLE_BYTES: u64 = 8 << 20;

/// The configuration in effect.
pub(crate) struct EffectiveConfig {
    pub(crate) transport: Loaded<Config>,
    pub(crate) gateway: Loaded<Gateway>,
    /// The tables `[listeners.NAME]`, by name.
    pub(crate) listeners: Vec<NamedTable<ListenerSettings>>,
}

impl EffectiveConfig {
    /// Returns the configuration of each listener, by name.
    pub(crate) fn plans(&self) -> Vec<ListenerPlan> {
        if self.listeners.is_empty() {
            return vec![ListenerPlan {
                name: None,
                config: self.transport.settings().clone(),
                service: self.gateway.settings().service.clone(),
            }];
        }
        let plan = |table: &NamedTable<ListenerSettings>| {
            let settings = table.loaded.settings().clone();
            ListenerPlan {
                name: Some(table.name.clone()),
                config: settings.transport,
                service: settings.service,
            }
        };
        self.listeners.iter().map(plan).collect()
    }

    /// Returns the source of a key of a listener, of either table.
    pub(crate) fn source(&self, plan: &ListenerPlan, path: &str) -> &Source {
        let mut named = self.listeners.iter();
        match named.find(|table| Some(&table.name) == plan.name.as_ref()) {
            Some(table) => table.loaded.source(path),
            None => match self.transport.source(path) {
                Source::Default => self.gateway.source(path),
                source => source,
            },
        }
    }

    /// Returns the warnings of both tables and of their combination, each once.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = Vec::new();
        let both = self.transport.warnings().iter();
        let listeners = self.listeners.iter();
        let listeners = listeners.flat_map(|table| table.loaded.warnings());
        for warning in both.chain(self.gateway.warnings()).chain(listeners) {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        warnings.extend(self.plans().iter().filter_map(idle_targets));
        let settings = self.transport.settings();
        warnings.extend(self.plans().iter().filter_map(lost_failover));
        warnings.extend(long_stops(settings));
        warnings.extend(denied_families(&settings.limits));
        warnings.extend(small_pressure(
            self.gateway.settings().process.memory_pressure,
            settings.limits.memory_bytes(),
        ));
        warnings
    }
}

/// Warns of targets that no connection is forwarded to.
fn idle_targets(plan: &ListenerPlan) -> Option<String> {
    let is_unnamed = plan.name.is_none();
    let has_targets = !plan.service.forward_to.is_empty();
    let mode = plan.service.mode;
    // A named listener may inherit the targets of another one.
    (is_unnamed && has_targets && mode != Mode::Forward)
        .then(|| format!("forward_to has no effect: mode is {}", mode.as_str()))
}

/// Warns of several targets if a dial to the first always succeeds.
fn lost_failover(plan: &ListenerPlan) -> Option<String> {
    let targets = plan.service.targets().len();
    (targets > 1 && plan.config.tcp.dial_fast_open()).then(|| {
        format!(
            "{} lets a dial succeed before the target answers, so that a target that is down is not \
             replaced by another of the {targets} targets: turn it off",
            plan.transport_key("dial.fast_open"),
        )
    })
}

/// Warns of durations that exceed the stop timeout of the unit file.
fn long_stops(settings: &Config) -> Vec<String> {
    let idle = settings.limits.deadlines().idle;
    let drain = settings.general.drain_timeout();
    let keys = [
        ("idle_timeout", idle, Duration::ZERO),
        ("drain_timeout", drain, AFTER_DRAIN),
    ];
    let long = keys
        .into_iter()
        .filter(|(_, value, rest)| *value + *rest > STOP_TIMEOUT);
    let warning = |(key, value, _)| {
        format!(
            "{key} is {}, which exceeds TimeoutStopSec={} of the unit file: raise that too, or \
             systemd kills the process during a stop",
            format_duration(value),
            STOP_TIMEOUT.as_secs(),
        )
    };
    long.map(warning).collect()
}

/// Warns of a deny list that covers a whole address family.
fn denied_families(limits: &Limits) -> Vec<String> {
    let denied = limits.denied_peers().as_slice().iter();
    let denied: Vec<_> = denied.map(ToString::to_string).collect();
    let families = [("0.0.0.0/0", "IPv4"), ("::/0", "IPv6")];
    let covered = families
        .into_iter()
        .filter(|(prefix, _)| denied.iter().any(|d| d == prefix));
    let warning = |(prefix, family)| {
        format!(
            "peers.deny contains {prefix}: every {family} peer is refused, also one that \
             peers.allow lists. To admit some networks only, list them in peers.allow and remove \
             {prefix}"
        )
    };
    covered.map(warning).collect()
}

/// Warns of a `memory.pressure` below the memory budget.
fn small_pressure(pressure: MemoryPressure, budget: u64) -> Option<String> {
    let MemoryPressure::Bytes(limit) = pressure else {
        return None;
    };
    let share = budget / 4;
    let (held, by) = if limit < share + IDLE_BYTES {
        (share, "one peer (a quarter of limits.memory_bytes)")
    } else if limit < budget + IDLE_BYTES {
        (budget, "all peers together (limits.memory_bytes)")
    } else {
        return None;
    };
    let least = format_size((budget + IDLE_BYTES).div_ceil(1 << 20) << 20);
    Some(format!(
        "memory.pressure is {}, and the gateway may hold {} for {by}: new connections are then \
         refused as overload. Raise memory.pressure to at least {least}, or lower \
         limits.memory_bytes",
        format_size(limit),
        format_size(held),
    ))
}

/// Returns the name of a source, as the gateway shows it.
pub(crate) fn source_name(source: &Source) -> String {
    match source {
        Source::File(name) if name == DEFAULTS_NAME => DEFAULTS_NAME.to_owned(),
        source => source.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::startup::Sources;

    fn warnings(flags: &[(&str, &str)]) -> String {
        let flag = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
        let sources = Sources {
            flags: flags.iter().map(flag).collect(),
            ..Sources::default()
        };
        sources.load().unwrap().warnings().join("\n")
    }

    #[test]
    fn stop_beyond_the_unit_file_is_warned_of() {
        assert_eq!(warnings(&[]), "");
        let found = warnings(&[("transport.drain-timeout", "75s")]);
        assert!(
            found.starts_with("drain_timeout is 75s, which exceeds TimeoutStopSec=75"),
            "{found}"
        );
        assert_eq!(warnings(&[("transport.drain-timeout", "74s")]), "");
    }

    #[test]
    fn fast_open_without_failover_is_warned_of() {
        let fast = ("transport.dial.fast-open", "on");
        let mode = ("gateway.mode", "forward");
        let one = ("gateway.forward-to", "tcp://127.0.0.1:1");
        let two = ("gateway.forward-to", "tcp://127.0.0.1:1,tcp://127.0.0.1:2");
        let found = |flags: &[_]| warnings(flags).contains("transport.dial.fast_open lets");
        assert!(found(&[mode, two, fast]));
        assert!(!found(&[mode, one, fast]));
        assert!(!found(&[mode, two]));
    }

    #[test]
    fn denied_address_family_is_warned_of() {
        let found = warnings(&[("transport.peers.deny", "0.0.0.0/0,::/0")]);
        assert!(
            found.contains("every IPv4 peer") && found.contains("every IPv6 peer"),
            "{found}"
        );
        let found = warnings(&[("transport.peers.deny", "10.0.0.0/8,::/0")]);
        assert!(
            !found.contains("IPv4") && found.contains("every IPv6 peer"),
            "{found}"
        );
        assert_eq!(warnings(&[("transport.peers.deny", "10.0.0.0/8")]), "");
    }

    #[test]
    fn pressure_below_the_budget_is_warned_of() {
        for (pressure, expected) in [
            ("71MiB", "64MiB for one peer"),
            ("72MiB", "256MiB for all peers together"),
            ("263MiB", "to at least 264MiB"),
        ] {
            let found = warnings(&[("gateway.memory.pressure", pressure)]);
            assert!(found.contains(expected), "{pressure}: {found}");
        }
        assert_eq!(warnings(&[("gateway.memory.pressure", "264MiB")]), "");
    }
}
