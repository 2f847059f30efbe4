//! Conflicts between the addresses of both tables.
//!
//! These are an admin endpoint at the address of the transport, and a forward to the gateway
//! itself, which would dial itself without end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use ron_transport::tcp::leaves_v4;
use ron_transport::Target;
use ron_transport::{Endpoint, ListenAddr, Scheme};

use crate::effective::EffectiveConfig;
use crate::exit::ExitFailure;
use crate::listener::ListenerPlan;
use crate::settings::{AdminAddr, ListenerService};

/// Names of this machine: RFC 6761 §6.3, and common hosts files.
const LOCAL_NAMES: &[&str] = &[
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
];

/// Checks the configured addresses against each other.
pub(crate) fn check(
    effective: &EffectiveConfig,
    plans: &[ListenerPlan],
) -> Result<(), ExitFailure> {
    let mut wrong = Vec::new();
    let addrs: Vec<_> = plans
        .iter()
        .flat_map(|plan| plan.addrs().into_iter().map(move |addr| (plan, addr)))
        .collect();
    let admin = effective.gateway.settings().process.admin_addr.as_ref();
    for (at, (plan, addr)) in addrs.iter().enumerate() {
        let admin = admin.filter(|admin| is_shared(&as_listen(admin), addr));
        if let Some(admin) = admin {
            let (part, source) = (part(addr), effective.gateway.source("admin_addr"));
            let key = plan.addr_key();
            wrong.push(format!(
                "gateway.admin_addr = \"{admin}\" ({source}): the transport listens there \
                 ({key} = \"{addr}\"); give the admin endpoint another {part}",
            ));
        }
        // The schema checks the addresses of one listener.
        let others = addrs.iter().take(at).filter(|(other, _)| other != plan);
        for (other, same) in others {
            if is_shared(addr, same) && !is_split(plan, addr, same) && !is_split(other, same, addr)
            {
                let (key, other) = (plan.addr_key(), other.addr_key());
                wrong.push(format!(
                    "{key} = \"{addr}\": another listener has this address \
                     ({other} = \"{same}\"); give each listener another {}",
                    part(addr),
                ));
            }
        }
    }
    for plan in plans {
        let mut all = addrs.iter();
        let looping = all.find_map(|(_, addr)| Some((looping(&plan.service, addr)?, addr)));
        if let Some((to, addr)) = looping {
            wrong.push(format!(
                "{} = \"{to}\" ({}): {}",
                plan.service_key("forward_to"),
                effective.source(plan, "forward_to"),
                itself(addr),
            ));
        }
    }
    wrong.extend(plans.iter().flat_map(evading));
    if plans.iter().filter(|plan| plan.uses_tor()).count() > 1 {
        let tor = plans.iter().filter(|plan| plan.uses_tor());
        let names: Vec<_> = tor.filter_map(|plan| plan.name.as_deref()).collect();
        wrong.push(format!(
            "listeners {} need a Tor client each, and a process has one: let one listener use Tor",
            names.join(", "),
        ));
    }
    match wrong.as_slice() {
        [] => Ok(()),
        wrong => Err(ExitFailure::Config(format!(
            "configuration: {}",
            wrong.join("\n  ")
        ))),
    }
}

/// Returns the targets that `dial.via` does not apply to.
fn evading(plan: &ListenerPlan) -> Vec<String> {
    let Some(via) = plan.config.proxy.via() else {
        return Vec::new();
    };
    let targets = plan.service.targets().iter();
    let evading = targets.filter(|to| !to.scheme().has_via());
    let wrong = |to: &Endpoint| {
        format!(
            "{} = \"{}\": {} is {via}, which applies to tcp:// and tls:// targets; remove it, or \
             forward to this target from another listener",
            plan.service_key("forward_to"),
            to.loggable(),
            plan.transport_key("dial.via"),
        )
    };
    evading.map(wrong).collect()
}

/// Checks the addresses that were bound or inherited.
pub(crate) fn check_listening(
    plan: &ListenerPlan,
    listen: &[ListenAddr],
) -> Result<(), ExitFailure> {
    let mut all = listen.iter();
    match all.find_map(|listen| Some((looping(&plan.service, listen)?, listen))) {
        None => Ok(()),
        Some((to, listen)) => Err(ExitFailure::Config(format!(
            "configuration: {} = \"{to}\": {}",
            plan.service_key("forward_to"),
            itself(listen)
        ))),
    }
}

fn itself(listen: &ListenAddr) -> String {
    format!("this is the gateway itself, which listens on {listen}; name the service behind it")
}

fn as_listen(admin: &AdminAddr) -> ListenAddr {
    match admin {
        AdminAddr::Ip(addr) => ListenAddr::Ip(*addr),
        AdminAddr::Unix(path) => ListenAddr::Unix(path.clone()),
    }
}

/// Returns the part of an address that distinguishes listeners.
fn part(addr: &ListenAddr) -> &'static str {
    match addr {
        ListenAddr::Unix(_) => "path",
        _ => "port",
    }
}

/// Returns whether two sockets cannot listen at both addresses.
pub(crate) fn is_shared(one: &ListenAddr, other: &ListenAddr) -> bool {
    match (one, other) {
        (ListenAddr::Ip(one), ListenAddr::Ip(other)) => overlap(*one, *other),
        (ListenAddr::Unix(one), ListenAddr::Unix(other)) => same_file(one, other),
        _ => false,
    }
}

/// Returns whether the listener's IPv6 wildcard leaves IPv4 to others.
fn is_split(plan: &ListenerPlan, wild: &ListenAddr, other: &ListenAddr) -> bool {
    match (wild, other) {
        (ListenAddr::Ip(wild), ListenAddr::Ip(other)) => {
            other.ip().to_canonical().is_ipv4()
                && leaves_v4(*wild, plan.config.general.bind_addrs())
        }
        _ => false,
    }
}

/// Returns the forward target that is the listener itself, if any.
fn looping<'a>(service: &'a ListenerService, listen: &ListenAddr) -> Option<&'a Endpoint> {
    service.targets().iter().find(|to| leads_to(to, listen))
}

/// Returns whether a dial of the target reaches the listener.
fn leads_to(to: &Endpoint, listen: &ListenAddr) -> bool {
    match (to.scheme(), to.target(), listen) {
        (Scheme::Tcp | Scheme::Tls, Target::Host { host, port }, ListenAddr::Ip(listen)) => {
            *port == listen.port() && addresses(host).any(|ip| reaches(ip, listen.ip()))
        }
        (Scheme::Unix, Target::Unix(path), ListenAddr::Unix(listen)) => same_file(path, listen),
        _ => false,
    }
}

/// Returns the addresses of a host that are known without DNS.
fn addresses(host: &str) -> impl Iterator<Item = IpAddr> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_local = LOCAL_NAMES.contains(&name.as_str()) || name.ends_with(".localhost");
    let loopback = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let literal = host.parse::<IpAddr>().ok();
    literal
        .into_iter()
        .chain(loopback.into_iter().filter(move |_| is_local))
}

/// Returns whether two listen addresses overlap.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() != 0 && one.port() == other.port() && (a == b || covers(a, b) || covers(b, a))
}

/// Returns whether a wildcard covers an address; IPv6 covers IPv4 too.
fn covers(wildcard: IpAddr, ip: IpAddr) -> bool {
    wildcard.is_unspecified() && (wildcard.is_ipv6() || ip.is_ipv4())
}

/// Returns whether a connection to `to` reaches a listener on `listen`.
fn reaches(to: IpAddr, listen: IpAddr) -> bool {
    let (to, listen) = (to.to_canonical(), listen.to_canonical());
    // The kernel treats a wildcard target as the loopback address.
    let to = match to {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        to => to,
    };
    to == listen || covers(listen, to) && is_of_this_machine(to)
}

/// Returns whether this machine has the address.
///
/// It is then the source address of packets to it. `connect` on UDP sends none.
fn is_of_this_machine(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    ip.is_loopback() || source().is_ok_and(|source| source.ip() == ip)
}

/// Returns whether two paths name one file, which need not exist.
fn same_file(one: &Path, other: &Path) -> bool {
    one == other || resolved(one).is_some_and(|one| Some(one) == resolved(other))
}

fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(path) = path.canonicalize() {
        return Some(path);
    }
    let dir = path.parent()?.canonicalize().ok()?;
    Some(dir.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Mode;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn listeners_overlap_by_port_and_wildcard() {
        for (one, other, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("[::1]:1", "127.0.0.1:1", false),
            ("0.0.0.0:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(overlap(addr(one), addr(other)), expected, "{one} {other}");
        }
    }

    fn loops(to: &str, listen: &str) -> bool {
        let service = ListenerService {
            mode: Mode::Forward,
            forward_to: ["tcp://service.example:1", to]
                .map(|to| to.parse().unwrap())
                .into(),
        };
        let listen = match listen.parse() {
            Ok(addr) => ListenAddr::Ip(addr),
            Err(_) => ListenAddr::Unix(listen.into()),
        };
        looping(&service, &listen).is_some()
    }

    #[test]
    fn forward_to_self_is_detected() {
        for (to, listen) in [
            ("tcp://127.0.0.1:1", "127.0.0.1:1"),
            ("tls://127.0.0.1:1", "0.0.0.0:1"),
            ("tcp://localhost:1", "127.0.0.1:1"),
            ("tcp://LOCALHOST.:1", "[::1]:1"),
            ("tcp://a.localhost:1", "0.0.0.0:1"),
            ("tcp://ip6-localhost:1", "[::]:1"),
            ("tcp://0.0.0.0:1", "127.0.0.1:1"),
            ("tcp://[::]:1", "[::]:1"),
            ("tcp://[::ffff:127.0.0.1]:1", "127.0.0.1:1"),
            ("tcp://127.0.0.9:1", "0.0.0.0:1"),
        ] {
            assert!(loops(to, listen), "{to} {listen}");
        }
    }

    #[test]
    fn forward_to_another_service_is_allowed() {
        for (to, listen) in [
            ("tcp://127.0.0.1:1", "127.0.0.1:2"),
            ("tcp://127.0.0.2:1", "127.0.0.1:1"),
            ("tcp://localhost:1", "192.0.2.1:1"),
            ("tcp://192.0.2.1:1", "0.0.0.0:1"),
            ("tcp://service.example:1", "0.0.0.0:1"),
            ("tcp://localhost:1", "/run/ron/socket"),
        ] {
            assert!(!loops(to, listen), "{to} {listen}");
        }
    }

    #[cfg(feature = "uds")]
    #[test]
    fn forward_to_own_socket_is_detected() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(path("real")).unwrap();
        std::os::unix::fs::symlink(path("real"), path("link")).unwrap();
        let (real, link) = (path("real/socket"), path("link/socket"));
        assert!(loops(&format!("unix://{real}"), &real));
        assert!(loops(&format!("unix://{link}"), &real));
        assert!(!loops(&format!("unix://{}", path("real/other")), &real));
    }
}
