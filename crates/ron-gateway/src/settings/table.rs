//! The keys of `[gateway]`.

use ron_transport::schema::{
    format_bool, Choice, Key, Kind, Reload, SectionTable, Setting, ValueError,
};
use ron_transport::Endpoint;

use super::parse::{parse_host, parse_targets};
use super::{
    AdminAddr, GatewayProcess, ListenerService, MemoryPressure, Mode, SandboxMode, WorkerCount,
};
use crate::logging::{LogFormat, LogLevel};

/// The keys of the service for connections, in `[gateway]` and `[listeners.NAME]`.
impl SectionTable for ListenerService {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new("mode", Kind::Choice(Mode::WORDS), Reload::New)
            .doc("Service for accepted connections.")
            .get(|s: &Self| s.mode.as_str().to_owned())
            .set(|s, value| value.choice().map(|mode| s.mode = mode)),
        Key::new("forward_to", Kind::List, Reload::New)
            .allows("targets such as tcp://host:port, up to 64")
            .doc(
                "Targets that connections are forwarded to, tried in turn from a rotating start \
                 until one answers, all within `dial_timeout`. A target that fails rests for 1 s \
                 to 30 s.",
            )
            .get(|s: &Self| joined(&s.forward_to))
            .set(|s, value| parse_targets(value).map(|targets| s.forward_to = targets)),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        if self.mode == Mode::Forward && self.forward_to.is_empty() {
            let what = "forward needs forward_to, a target such as tcp://host:port";
            return vec![("mode", ValueError::new(what))];
        }
        Vec::new()
    }
}

impl SectionTable for GatewayProcess {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new("admin_addr", Kind::Text, Reload::Restart)
            .allows(
                "an IP address and port such as 127.0.0.1:9909, or unix: and an absolute path in \
                 a directory of mode 0700 that belongs to this user; empty for none",
            )
            .doc(
                "Address of the status page (`/`), `/metrics`, `/healthz`, `/readyz`, `/status` \
                 and `/connections`. There is no login: a Unix socket has mode 0600 and serves \
                 the gateway's user and root alone.",
            )
            .get(|g: &Self| text_of(g.admin_addr.as_ref()))
            .set(|g, value| AdminAddr::parse(value.text()?).map(|addr| g.admin_addr = addr)),
        Key::new("admin_hosts", Kind::List, Reload::Restart)
            .allows("host names without port")
            .doc(
                "Names that a request to the admin endpoint may have in `Host`, besides IP \
                 addresses and `localhost`; others are answered with 421.",
            )
            .get(|g: &Self| g.admin_hosts.join(","))
            .set(|g, value| {
                let hosts: Result<_, _> =
                    value.list().iter().map(|host| parse_host(host)).collect();
                hosts.map(|hosts| g.admin_hosts = hosts)
            }),
        Key::new("admin.show_peers", Kind::Bool, Reload::Restart)
            .doc("Whether `/connections` shows the addresses of peers.")
            .get(|g: &Self| format_bool(g.show_peers))
            .set(|g, value| value.bool().map(|on| g.show_peers = on)),
        Key::new("degraded_is_ready", Kind::Bool, Reload::Restart)
            .doc("Whether `/readyz` answers 200 while the transport is degraded.")
            .get(|g: &Self| format_bool(g.degraded_is_ready))
            .set(|g, value| value.bool().map(|on| g.degraded_is_ready = on)),
        Key::new(
            "log.format",
            Kind::Choice(LogFormat::WORDS),
            Reload::Restart,
        )
        .doc("Form of the log; `auto` is text on a terminal and otherwise logfmt.")
        .get(|g: &Self| g.log_format.as_str().to_owned())
        .set(|g, value| value.choice().map(|format| g.log_format = format)),
        Key::new("log.level", Kind::Choice(LogLevel::WORDS), Reload::Restart)
            .doc("Level of the gateway and its transport; dependencies log at most warnings.")
            .get(|g: &Self| g.log_level.as_str().to_owned())
            .set(|g, value| value.choice().map(|level| g.log_level = level)),
        Key::new("sandbox", Kind::Choice(SandboxMode::WORDS), Reload::Restart)
            .doc(
                "Confines the process by Landlock and seccomp: as far as the kernel can, or not \
                 at all; with `on` the start fails where it cannot.",
            )
            .get(|g: &Self| g.sandbox.as_str().to_owned())
            .set(|g, value| value.choice_in_any_case().map(|mode| g.sandbox = mode)),
        Key::new("memory.pressure", Kind::Text, Reload::Restart)
            .allows("auto, off, or a size of at least 16MiB such as 512MiB")
            .doc(
                "New connections are refused as `overload` while memory is above this: `auto` is \
                 the cgroup's `memory.high` or 90 % of its `memory.max`, a size limits the \
                 process's resident memory as well.",
            )
            .get(|g: &Self| g.memory_pressure.to_string())
            .set(|g, value| {
                MemoryPressure::parse(value.text()?).map(|limit| g.memory_pressure = limit)
            }),
        Key::new("workers", Kind::Text, Reload::Restart)
            .allows("auto or 1 to 1024")
            .doc(
                "Threads that serve connections, each with its own accept loop; `auto` is one for \
                 each core, and fewer below 64 file descriptors for each.",
            )
            .get(|g: &Self| g.workers.to_string())
            .set(|g, value| WorkerCount::parse(value.text()?).map(|count| g.workers = count)),
    ];
}

/// Joins targets as the environment and flags list them.
pub(super) fn joined(targets: &[Endpoint]) -> String {
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    targets.join(",")
}

fn text_of(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ron_transport::config::{check, Settings};
    use ron_transport::schema::{Raw, ValueError};

    use super::super::Gateway;

    fn set(gateway: &mut Gateway, path: &str, value: &str) -> Result<(), ValueError> {
        let mut sections = gateway.sections_mut().into_iter();
        let of_key = |section: &&mut dyn ron_transport::schema::Section| {
            section.keys().iter().any(|key| key.path == path)
        };
        sections.find(of_key).unwrap().set(path, &Raw::from(value))
    }

    #[test]
    fn every_default_can_be_set() {
        let mut gateway = Gateway::default();
        for key in Gateway::all_keys() {
            let default = gateway.value(key.path).unwrap();
            set(&mut gateway, key.path, &default).unwrap();
        }
        assert_eq!(gateway, Gateway::default());
    }

    #[test]
    fn every_value_reads_back() {
        let mut gateway = Gateway::default();
        for (path, value) in [
            ("mode", "forward"),
            ("forward_to", "tcp://[::1]:7000,tcp://b:1"),
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
            ("workers", "3"),
        ] {
            set(&mut gateway, path, value).unwrap();
            assert_eq!(gateway.value(path).unwrap(), value, "{path}");
        }
        assert_eq!(check(&gateway), Ok(()));
    }

    #[test]
    fn forward_without_target_conflicts() {
        let mut gateway = Gateway::default();
        set(&mut gateway, "mode", "forward").unwrap();
        let error = check(&gateway).unwrap_err().to_string();
        assert!(error.contains("forward_to"), "{error}");
    }

    #[cfg(not(feature = "arti"))]
    #[test]
    fn missing_scheme_is_named_with_feature() {
        let mut gateway = Gateway::default();
        let error = set(&mut gateway, "forward_to", "tor://x.onion:80").unwrap_err();
        assert!(error.to_string().contains("`arti`"), "{error}");
        assert_eq!(gateway, Gateway::default());
    }
}
