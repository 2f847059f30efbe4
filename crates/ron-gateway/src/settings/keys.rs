//! The keys of `[gateway]`.

use ron_transport::core::schema::{
    format_bool, parse_bool, Key, Kind, Raw, Reload, Section, ValueError,
};

use super::parse::{parse_endpoint, parse_host, parse_mode};
use super::{AdminAddr, Gateway, MemoryPressure, Mode, SandboxMode};
use crate::logging::{LogFormat, LogLevel};

const KEYS: &[Key] = &[
    Key {
        path: "mode",
        kind: Kind::Choice(&["echo", "echo_frames", "forward"]),
        default: "echo",
        rule: "echo, echo_frames or forward",
        reload: Reload::Restart,
        doc: "What happens to accepted connections.",
    },
    Key {
        path: "forward_to",
        kind: Kind::Text,
        default: "",
        rule: "a target such as tcp://host:port",
        reload: Reload::Restart,
        doc: "Where connections are forwarded to.",
    },
    Key {
        path: "admin_addr",
        kind: Kind::Text,
        default: "127.0.0.1:9909",
        rule: "an IP address and port such as 127.0.0.1:9909, or unix: and an absolute path in a directory of mode 0700 that is ours; empty for none",
        reload: Reload::Restart,
        doc: "Where the status page (`/`), `/metrics`, `/healthz`, `/readyz`, `/status` and `/connections` are served. There is no login: a Unix socket has mode 0600 and serves the gateway's user and root alone.",
    },
    Key {
        path: "admin_hosts",
        kind: Kind::List,
        default: "",
        rule: "host names without port",
        reload: Reload::Restart,
        doc: "Names that a request to the admin endpoint may have in `Host`, beside IP addresses and `localhost`; others are answered with 421.",
    },
    Key {
        path: "admin.show_peers",
        kind: Kind::Bool,
        default: "false",
        rule: "on or off",
        reload: Reload::Restart,
        doc: "Whether `/connections` shows the addresses of peers.",
    },
    Key {
        path: "degraded_is_ready",
        kind: Kind::Bool,
        default: "false",
        rule: "on or off",
        reload: Reload::Restart,
        doc: "Whether `/readyz` answers 200 while the transport is degraded.",
    },
    Key {
        path: "log.format",
        kind: Kind::Choice(&["auto", "text", "logfmt", "json"]),
        default: "auto",
        rule: "auto, text, logfmt or json",
        reload: Reload::Restart,
        doc: "Form of the log; `auto` is text on a terminal and else logfmt.",
    },
    Key {
        path: "log.level",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: "info",
        rule: "error, warn, info, debug or trace",
        reload: Reload::Restart,
        doc: "How much the gateway and its transport log; dependencies log warnings at most.",
    },
    Key {
        path: "sandbox",
        kind: Kind::Choice(&["try", "on", "off"]),
        default: "try",
        rule: "try, on or off",
        reload: Reload::Restart,
        doc: "Confines the process by Landlock and seccomp: as far as the kernel can, or not at all; with `on` the start fails where it cannot.",
    },
    Key {
        path: "memory.pressure",
        kind: Kind::Text,
        default: "auto",
        rule: "auto, off, or a size of at least 16MiB such as 512MiB",
        reload: Reload::Restart,
        doc: "New connections are refused as `overload` while memory is above this: `auto` is the cgroup's `memory.high` or 90 % of its `memory.max`, a size limits the process's resident memory as well.",
    },
];

impl Section for Gateway {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        if path == "admin_hosts" {
            let hosts: Result<_, _> = value.list().iter().map(|host| parse_host(host)).collect();
            self.admin_hosts = hosts?;
            return Ok(());
        }
        let text = value.text()?;
        match path {
            "mode" => self.mode = parse_mode(text)?,
            "forward_to" => self.forward_to = parse_endpoint(text)?,
            "admin_addr" => self.admin_addr = AdminAddr::parse(text)?,
            "admin.show_peers" => self.show_peers = parse_bool(text)?,
            "degraded_is_ready" => self.degraded_is_ready = parse_bool(text)?,
            "log.format" => self.log_format = LogFormat::parse(text)?,
            "log.level" => self.log_level = LogLevel::parse(text)?,
            "sandbox" => self.sandbox = SandboxMode::parse(text)?,
            "memory.pressure" => self.memory_pressure = MemoryPressure::parse(text)?,
            _ => return Err(ValueError::new("no such key")),
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        Some(match path {
            "mode" => self.mode.as_str().to_owned(),
            "forward_to" => text_of(self.forward_to.as_ref()),
            "admin_addr" => text_of(self.admin_addr.as_ref()),
            "admin_hosts" => self.admin_hosts.join(","),
            "admin.show_peers" => format_bool(self.show_peers),
            "degraded_is_ready" => format_bool(self.degraded_is_ready),
            "log.format" => self.log_format.as_str().to_owned(),
            "log.level" => self.log_level.as_str().to_owned(),
            "sandbox" => self.sandbox.as_str().to_owned(),
            "memory.pressure" => self.memory_pressure.to_string(),
            _ => return None,
        })
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        if self.mode == Mode::Forward && self.forward_to.is_none() {
            let what = "forward needs forward_to, a target such as tcp://host:port";
            return vec![("mode", ValueError::new(what))];
        }
        Vec::new()
    }
}

fn text_of(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_match_the_keys() {
        let gateway = Gateway::default();
        for key in KEYS {
            assert_eq!(gateway.get(key.path).unwrap(), key.default, "{}", key.path);
        }
    }

    #[test]
    fn every_value_reads_back() {
        let mut gateway = Gateway::default();
        for (path, value) in [
            ("mode", "forward"),
            ("forward_to", "tcp://[::1]:7000"),
            ("admin_addr", "[::1]:1"),
            ("admin_addr", ""),
            ("admin_hosts", "gateway.example,status"),
            ("admin.show_peers", "true"),
            ("degraded_is_ready", "true"),
            ("log.format", "json"),
            ("log.level", "trace"),
            ("sandbox", "on"),
            ("sandbox", "off"),
            ("memory.pressure", "off"),
            ("memory.pressure", "512MiB"),
        ] {
            gateway.set(path, &value.into()).unwrap();
            assert_eq!(gateway.get(path).unwrap(), value, "{path}");
        }
        assert_eq!(gateway.check(), Vec::new());
    }

    #[test]
    fn forward_needs_a_target() {
        let mut gateway = Gateway::default();
        gateway.set("mode", &"forward".into()).unwrap();
        assert!(gateway.check()[0].1.to_string().contains("forward_to"));
    }

    #[cfg(not(feature = "arti"))]
    #[test]
    fn missing_scheme_names_its_feature() {
        let mut gateway = Gateway::default();
        let target = "tor://x.onion:80";
        let error = gateway.set("forward_to", &target.into()).unwrap_err();
        assert!(error.to_string().contains("`arti`"), "{error}");
        assert_eq!(gateway, Gateway::default());
    }
}
