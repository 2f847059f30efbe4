//! The keys of the Tor backend.

use transport_core::schema::{
    format_bool, format_duration, format_path, Choice, Key, Kind, PathUse, Raw, Reload,
    SectionTable, Setting, ValueError,
};

use super::{ArtiConfig, DialWhileBootstrapping, Isolation};

const ABSOLUTE: &str = "an absolute path; empty for none";
const READ: Kind = Kind::Path(PathUse::Read);
const WRITE: Kind = Kind::Path(PathUse::Write);
const DIALS: Kind = Kind::Choice(DialWhileBootstrapping::WORDS);
const PORTS: &str = "arti.onion_service.ports";

impl SectionTable for ArtiConfig {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new("arti.bootstrap_timeout", Kind::Duration, Reload::New)
            .allows("over 0, at most 24h")
            .doc(
                "Longest time until Tor carries traffic. After it the transport is not ready, \
                 and the bootstrap continues.",
            )
            .get(|c: &Self| format_duration(c.bootstrap_timeout))
            .set(|c, value| c.set_bootstrap_timeout(value.duration()?).map(drop)),
        Key::new("arti.pre_dial_delay", Kind::Duration, Reload::New)
            .allows("0 to 60s")
            .doc("Pause before each dial, within its deadline.")
            .get(|c: &Self| format_duration(c.pre_dial_delay))
            .set(|c, value| c.set_pre_dial_delay(value.duration()?).map(drop)),
        Key::new("arti.dial_while_bootstrapping", DIALS, Reload::New)
            .doc(
                "Behaviour of a dial before Tor carries traffic: it fails at once, or waits up \
                 to its deadline.",
            )
            .get(|c: &Self| c.dial_while_bootstrapping.as_str().to_owned())
            .set(|c, value| value.choice().map(|dial| c.dial_while_bootstrapping = dial)),
        Key::new(
            "arti.isolation",
            Kind::Choice(Isolation::WORDS),
            Reload::New,
        )
        .doc(
            "Connections that may share a circuit: all, those to one host and port, or \
                 none.",
        )
        .get(|c: &Self| c.isolation.as_str().to_owned())
        .set(|c, value| value.choice().map(|isolation| c.isolation = isolation)),
        Key::new("arti.state_dir", WRITE, Reload::Restart)
            .allows(ABSOLUTE)
            .doc("Directory of Arti's state; without it, the platform's default.")
            .get(|c: &Self| format_path(c.state_dir()))
            .set(|c, value| c.set_state_dir(value.path()?).map(drop)),
        Key::new("arti.cache_dir", WRITE, Reload::Restart)
            .allows(ABSOLUTE)
            .doc("Directory of Arti's cache; without it, the platform's default.")
            .get(|c: &Self| format_path(c.cache_dir()))
            .set(|c, value| c.set_cache_dir(value.path()?).map(drop)),
        Key::new("arti.config_path", READ, Reload::Restart)
            .allows(ABSOLUTE)
            .doc("Arti's own TOML; these keys override it. For private networks and bridges.")
            .get(|c: &Self| format_path(c.config_path()))
            .set(|c, value| c.set_config_path(value.path()?).map(drop)),
        Key::new("arti.onion_service.enabled", Kind::Bool, Reload::Restart)
            .doc("Listens as an onion service.")
            .get(|c: &Self| format_bool(c.onion_service.enabled()))
            .set(|c, value| {
                c.onion_service.set_enabled(value.bool()?);
                Ok(())
            }),
        Key::new("arti.onion_service.nickname", Kind::Text, Reload::Restart)
            .allows("1 to 64 of a to z, 0 to 9, - and _, not beginning with -")
            .doc(
                "Name under which Arti keeps the service's keys and state; clients do not see \
                 it.",
            )
            .get(|c: &Self| c.onion_service.nickname().to_owned())
            .set(|c, value| c.onion_service.set_nickname(value.text()?).map(drop)),
        Key::new(PORTS, Kind::List, Reload::Restart)
            .allows("ports, 1 to 65535, none twice; at least one where the service is enabled")
            .doc("Ports that clients connect to.")
            .get(|c: &Self| format_ports(c.onion_service.ports()))
            .set(|c, value| c.onion_service.set_ports(&parse_ports(value)?).map(drop)),
        Key::new("arti.onion_service.identity_path", READ, Reload::Restart)
            .allows(ABSOLUTE)
            .doc("The service's private key, which is its address; without it Arti makes one.")
            .get(|c: &Self| format_path(c.onion_service.identity_path()))
            .set(|c, value| c.onion_service.set_identity_path(value.path()?).map(drop)),
        Key::new("arti.onion_service.client_keys_path", READ, Reload::Restart)
            .allows(ABSOLUTE)
            .doc("Keys of the clients that may find the service; without it every client may.")
            .get(|c: &Self| format_path(c.onion_service.client_keys_path()))
            .set(|c, value| {
                c.onion_service
                    .set_client_keys_path(value.path()?)
                    .map(drop)
            }),
        Key::new("arti.onion_service.pow", Kind::Bool, Reload::Restart)
            .doc("Requires a proof of work of clients while the service is under load.")
            .get(|c: &Self| format_bool(c.onion_service.pow()))
            .set(|c, value| {
                c.onion_service.set_pow(value.bool()?);
                Ok(())
            }),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        if !self.onion_service.enabled() || !self.onion_service.ports().is_empty() {
            return Vec::new();
        }
        let text = "must name at least one port: the onion service is enabled";
        vec![(PORTS, ValueError::new(text))]
    }
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
