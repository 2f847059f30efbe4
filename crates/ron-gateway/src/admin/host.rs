//! Host names that the admin endpoint serves.
//!
//! A page of another site can point its own name to this machine (DNS rebinding) and then read the
//! endpoint through the browsers of its visitors. Such a request has the name of the site in
//! `Host`; an IP address or `localhost` cannot be rebound.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Allowed names, besides IP addresses and `localhost`.
pub(super) struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Takes names in lower case, without a trailing dot.
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.to_vec())
    }

    /// Returns whether every host of a request is allowed.
    ///
    /// A request without host is allowed: browsers always send one.
    pub(super) fn allow(&self, hosts: &[String]) -> bool {
        hosts.iter().all(|host| self.allows(host))
    }

    /// Checks a host of the form `uri-host [":" port]` (RFC 9110 §7.2).
    fn allows(&self, host: &str) -> bool {
        if let Some(rest) = host.strip_prefix('[') {
            let Some((literal, port)) = rest.split_once(']') else {
                return false;
            };
            let is_end = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return is_end && literal.parse::<Ipv6Addr>().is_ok();
        }
        let name = match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        };
        if name.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost" || self.0.contains(&name)
    }
}

/// Returns whether a text is a port.
///
/// It may be empty (RFC 3986 §3.2.3).
fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> AllowedHosts {
        AllowedHosts::new(&["gateway.example".to_owned()])
    }

    #[test]
    fn ip_localhost_and_listed_names_allowed() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9909",
            "192.0.2.1:",
            "[::1]",
            "[::1]:9909",
            "[::ffff:192.0.2.1]:1",
            "localhost",
            "LocalHost.:80",
            "gateway.example",
            "Gateway.Example:9909",
        ] {
            assert!(hosts().allows(host), "{host}");
        }
        assert!(hosts().allow(&[]));
    }

    #[test]
    fn other_names_are_rejected() {
        for host in [
            "",
            "evil.example",
            "evil.example:9909",
            "localhost.evil.example",
            "evil-localhost",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "127.0.0.1:80:80",
            "127.0.0.1:http",
            "::1",
            "[::1",
            "[::1]x",
            "[evil.example]",
            "sub.gateway.example",
            "gateway.example,evil.example",
            "localhost..",
        ] {
            assert!(!hosts().allows(host), "{host}");
        }
        let two = ["localhost", "evil.example"].map(str::to_owned);
        assert!(!hosts().allow(&two));
    }
}
