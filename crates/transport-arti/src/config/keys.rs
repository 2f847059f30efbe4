//! The settings of the Tor backend as configuration keys.

use std::path::{Path, PathBuf};

use transport_core::schema::{
    format_bool, format_duration, parse_bool, parse_duration, Key, Kind, PathUse, Raw, Reload,
    Section, ValueError,
};

use super::{ArtiConfig, DialWhileBootstrapping, Isolation};

const DIALS: &[&str] = &["fail", "wait"];
const ISOLATIONS: &[&str] = &["none", "destination", "stream"];
const PATH_RULE: &str = "an absolute path; empty for none";
const PORTS: &str = "arti.onion_service.ports";

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "arti.bootstrap_timeout",
        kind: Kind::Duration,
        default: "30s",
        rule: "over 0, at most 24h",
        reload: Reload::New,
        doc:
            "How long Tor may take until it carries traffic; then the transport is not ready, and \
              goes on trying.",
    },
    Key {
        path: "arti.pre_dial_delay",
        kind: Kind::Duration,
        default: "0s",
        rule: "0 to 60s",
        reload: Reload::New,
        doc: "Pause before each dial, within its deadline.",
    },
    Key {
        path: "arti.dial_while_bootstrapping",
        kind: Kind::Choice(DIALS),
        default: "fail",
        rule: "fail or wait",
        reload: Reload::New,
        doc: "What a dial does before Tor carries traffic: it fails at once, or waits up to its \
              deadline.",
    },
    Key {
        path: "arti.isolation",
        kind: Kind::Choice(ISOLATIONS),
        default: "destination",
        rule: "none, destination or stream",
        reload: Reload::New,
        doc: "Which connections may share a circuit: all, those to one host and port, or none.",
    },
    Key {
        path: "arti.state_dir",
        kind: Kind::Path(PathUse::Write),
        default: "",
        rule: PATH_RULE,
        reload: Reload::Restart,
        doc: "Where Arti keeps its state; without it, in the platform's place.",
    },
    Key {
        path: "arti.cache_dir",
        kind: Kind::Path(PathUse::Write),
        default: "",
        rule: PATH_RULE,
        reload: Reload::Restart,
        doc: "Where Arti keeps its cache; without it, in the platform's place.",
    },
    Key {
        path: "arti.config_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: PATH_RULE,
        reload: Reload::Restart,
        doc: "Arti's own TOML, laid under these keys: private networks, bridges.",
    },
    Key {
        path: "arti.onion_service.enabled",
        kind: Kind::Bool,
        default: "false",
        rule: "on or off",
        reload: Reload::Restart,
        doc: "Listens as an onion service.",
    },
    Key {
        path: "arti.onion_service.nickname",
        kind: Kind::Text,
        default: "ron",
        rule: "1 to 64 of a to z, 0 to 9, - and _, not beginning with -",
        reload: Reload::Restart,
        doc: "The name under which Arti keeps the service's keys and state; no client sees it.",
    },
    Key {
        path: PORTS,
        kind: Kind::List,
        default: "80",
        rule: "ports, 1 to 65535, none twice; at least one where the service is enabled",
        reload: Reload::Restart,
        doc: "The ports that clients reach.",
    },
    Key {
        path: "arti.onion_service.identity_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: PATH_RULE,
        reload: Reload::Restart,
        doc: "The service's private key, which is its address; without it Arti makes one.",
    },
    Key {
        path: "arti.onion_service.client_keys_path",
        kind: Kind::Path(PathUse::Read),
        default: "",
        rule: PATH_RULE,
        reload: Reload::Restart,
        doc: "The keys of the clients that may find the service; without it everyone may.",
    },
    Key {
        path: "arti.onion_service.pow",
        kind: Kind::Bool,
        default: "false",
        rule: "on or off",
        reload: Reload::Restart,
        doc: "Asks clients for a proof of work while the service is under load.",
    },
];

impl Section for ArtiConfig {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        if path == PORTS {
            self.onion_service.set_ports(&parse_ports(value)?)?;
            return Ok(());
        }
        let text = value.text()?;
        let Some(path) = path.strip_prefix("arti.") else {
            return Err(no_such_key());
        };
        let Some(path) = path.strip_prefix("onion_service.") else {
            return self.set_own(path, text);
        };
        let onion = &mut self.onion_service;
        match path {
            "enabled" => onion.set_enabled(parse_bool(text)?),
            "nickname" => onion.set_nickname(text)?,
            "identity_path" => onion.set_identity_path(parse_path(text))?,
            "client_keys_path" => onion.set_client_keys_path(parse_path(text))?,
            "pow" => onion.set_pow(parse_bool(text)?),
            _ => return Err(no_such_key()),
        };
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        let onion = &self.onion_service;
        Some(match path {
            "arti.bootstrap_timeout" => format_duration(self.bootstrap_timeout),
            "arti.pre_dial_delay" => format_duration(self.pre_dial_delay),
            "arti.dial_while_bootstrapping" => match self.dial_while_bootstrapping {
                DialWhileBootstrapping::Fail => "fail".to_owned(),
                DialWhileBootstrapping::Wait => "wait".to_owned(),
            },
            "arti.isolation" => match self.isolation {
                Isolation::None => "none".to_owned(),
                Isolation::Destination => "destination".to_owned(),
                Isolation::Stream => "stream".to_owned(),
            },
            "arti.state_dir" => format_path(self.state_dir()),
            "arti.cache_dir" => format_path(self.cache_dir()),
            "arti.config_path" => format_path(self.config_path()),
            "arti.onion_service.enabled" => format_bool(onion.enabled()),
            "arti.onion_service.nickname" => onion.nickname().to_owned(),
            PORTS => format_ports(onion.ports()),
            "arti.onion_service.identity_path" => format_path(onion.identity_path()),
            "arti.onion_service.client_keys_path" => format_path(onion.client_keys_path()),
            "arti.onion_service.pow" => format_bool(onion.pow()),
            _ => return None,
        })
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        let mut broken = Vec::new();
        if self.onion_service.enabled() && self.onion_service.ports().is_empty() {
            let text = "must name at least one port: the onion service is enabled";
            broken.push((PORTS, ValueError::new(text)));
        }
        broken
    }
}

impl ArtiConfig {
    /// Sets a key that is not of the onion service.
    fn set_own(&mut self, path: &str, text: &str) -> Result<(), ValueError> {
        match path {
            "bootstrap_timeout" => self.set_bootstrap_timeout(parse_duration(text)?)?,
            "pre_dial_delay" => self.set_pre_dial_delay(parse_duration(text)?)?,
            "dial_while_bootstrapping" => self.set_dial_while_bootstrapping(parse_dial(text)?),
            "isolation" => self.set_isolation(parse_isolation(text)?),
            "state_dir" => self.set_state_dir(parse_path(text))?,
            "cache_dir" => self.set_cache_dir(parse_path(text))?,
            "config_path" => self.set_config_path(parse_path(text))?,
            _ => return Err(no_such_key()),
        };
        Ok(())
    }
}

fn no_such_key() -> ValueError {
    ValueError::new("no such key")
}

fn parse_dial(text: &str) -> Result<DialWhileBootstrapping, ValueError> {
    match text {
        "fail" => Ok(DialWhileBootstrapping::Fail),
        "wait" => Ok(DialWhileBootstrapping::Wait),
        _ => Err(ValueError::new("expected fail or wait")),
    }
}

fn parse_isolation(text: &str) -> Result<Isolation, ValueError> {
    match text {
        "none" => Ok(Isolation::None),
        "destination" => Ok(Isolation::Destination),
        "stream" => Ok(Isolation::Stream),
        _ => Err(ValueError::new("expected none, destination or stream")),
    }
}

fn parse_path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

fn format_path(path: Option<&Path>) -> String {
    path.map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn parse_ports(value: &Raw) -> Result<Vec<u16>, ValueError> {
    let port = |text: &String| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let port = digits.then(|| text.parse().ok()).flatten();
        port.ok_or_else(|| ValueError::new("expected ports such as 80 or 80,443"))
    };
    value.list().iter().map(port).collect()
}

fn format_ports(ports: &[u16]) -> String {
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    ports.join(",")
}
