//! The settings of the PROXY protocol, and of the proxy for dials.

use std::fmt;
use std::time::Duration;

use transport_core::schema::{
    format_bool, format_duration, Choice, Key, Kind, Reload, SectionTable, Setting, ValueError,
};
use transport_core::{PeerAddr, ProxyVersion};
use transport_limits::IpPrefixes;

use crate::via::{ViaProxy, FORMS};

const TRUSTED: &str = "proxy.trusted";
const REQUIRED: &str = "proxy.required";
/// The entry of `proxy.trusted` for the processes at a Unix socket.
const UNIX: &str = "unix";
/// The range of `proxy.header_timeout`.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(60));

/// The settings of the PROXY protocol and of proxied dials.
///
/// By default no hop is trusted, so no header is read, none is sent, and dials are direct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    trusted: TrustedHops,
    required: bool,
    header_timeout: Duration,
    send: ProxySend,
    via: Option<ViaProxy>,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            trusted: TrustedHops::default(),
            required: false,
            header_timeout: Duration::from_secs(3),
            send: ProxySend::Off,
            via: None,
        }
    }
}

/// The header that a forwarded connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::exhaustive_enums)] // The protocol has two versions.
pub enum ProxySend {
    /// None.
    #[default]
    Off,
    /// Version 1: the addresses only.
    V1,
    /// Version 2: the addresses, TLS facts and the number of the connection.
    V2,
}

transport_core::choice!(pub ProxySend { Off: "off", V1: "v1", V2: "v2" });

impl ProxySend {
    /// Returns the version; `None` if no header is sent.
    #[must_use]
    pub const fn version(self) -> Option<ProxyVersion> {
        match self {
            Self::Off => None,
            Self::V1 => Some(ProxyVersion::V1),
            Self::V2 => Some(ProxyVersion::V2),
        }
    }
}

/// The peers that must send a PROXY header, such as balancers.
///
/// They are networks, and the processes at a Unix socket: the entry `unix`.
///
/// ```
/// use transport_core::PeerAddr;
/// use transport_proxy::TrustedHops;
///
/// let hops = TrustedHops::parse(&["10.0.0.0/8", "unix"])?;
/// assert!(hops.contains(PeerAddr::Uid(33)));
/// assert!(hops.contains(PeerAddr::Ip("[::ffff:10.1.2.3]:5000".parse()?)));
/// assert!(!hops.contains(PeerAddr::Ip("192.0.2.1:5000".parse()?)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedHops {
    networks: IpPrefixes,
    unix: bool,
}

impl TrustedHops {
    /// Parses each item of a list.
    ///
    /// # Errors
    /// The first item that is neither a network nor `unix`.
    pub fn parse<S: AsRef<str>>(items: &[S]) -> Result<Self, ValueError> {
        let is_unix = |item: &&S| item.as_ref() == UNIX;
        let networks = items.iter().filter(|item| !is_unix(item));
        Ok(Self {
            networks: networks
                .map(|item| item.as_ref().parse())
                .collect::<Result<_, _>>()?,
            unix: items.iter().any(|item| is_unix(&item)),
        })
    }

    /// Returns whether a peer is trusted.
    #[must_use]
    pub fn contains(&self, peer: PeerAddr) -> bool {
        match peer {
            PeerAddr::Ip(addr) => self.networks.contains(addr.ip()),
            PeerAddr::Uid(_) => self.unix,
            _ => false,
        }
    }

    /// Returns whether no peer is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Returns a network that contains every address of its family.
    #[must_use]
    pub fn everyone(&self) -> Option<String> {
        let all = self.networks.as_slice().iter().find(|net| net.len() == 0);
        all.map(ToString::to_string)
    }
}

impl fmt::Display for TrustedHops {
    /// Formats the list as the value of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.unix && !self.networks.is_empty() {
            ","
        } else {
            ""
        };
        let unix = if self.unix { UNIX } else { "" };
        write!(f, "{}{separator}{unix}", self.networks)
    }
}

impl SectionTable for ProxyConfig {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new(TRUSTED, Kind::List, Reload::New)
            .allows(
                "addresses and prefixes such as 10.0.0.0/8 or 2001:db8::/32, and unix for the \
                 processes of uds.allow_uids",
            )
            .doc(
                "Peers that must begin each connection with a PROXY header, v1 or v2; limits and \
                 rules then apply to the announced address. Other peers send none.",
            )
            .get(|c: &Self| c.trusted.to_string())
            .set(|c, value| TrustedHops::parse(&value.list()).map(|list| c.trusted = list)),
        Key::new(REQUIRED, Kind::Bool, Reload::New)
            .doc("Refuses peers outside of `proxy.trusted`, as `proxy`.")
            .get(|c: &Self| format_bool(c.required))
            .set(|c, value| value.bool().map(|on| c.required = on)),
        Key::new("proxy.header_timeout", Kind::Duration, Reload::New)
            .allows("10ms to 60s")
            .doc(
                "Longest time from the accept to the complete PROXY header; `handshake_timeout` \
                 bounds it too.",
            )
            .get(|c: &Self| format_duration(c.header_timeout))
            .set(|c, value| c.set_header_timeout(value.duration()?).map(drop)),
        Key::new("proxy.send", Kind::Choice(ProxySend::WORDS), Reload::New)
            .doc(
                "Version of the PROXY header that a forwarded connection begins with, below TLS; \
                 it announces the client.",
            )
            .get(|c: &Self| c.send.as_str().to_owned())
            .set(|c, value| value.choice().map(|send| c.send = send)),
        Key::new(ProxyConfig::VIA, Kind::Text, Reload::New)
            .allows(FORMS)
            .doc(
                "Proxy through which `tcp://` and `tls://` targets are dialed; it resolves their \
                 names.",
            )
            .get(|c: &Self| {
                c.via
                    .as_ref()
                    .map_or_else(String::new, |via| via.setting().to_owned())
            })
            .set(|c, value| {
                let text = Some(value.text()?).filter(|text| !text.is_empty());
                text.map(str::parse).transpose().map(|via| c.via = via)
            }),
    ];

    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        if self.required && self.trusted.is_empty() {
            let text = "needs proxy.trusted: without it every peer would be refused";
            return vec![(REQUIRED, ValueError::new(text))];
        }
        Vec::new()
    }
}

transport_core::accessors! {
    impl ProxyConfig {
        /// Whether peers that are not trusted are refused.
        required, set_required: bool;
        /// Longest time from the accept to the complete header.
        header_timeout: Duration;
        /// The header that a forwarded connection begins with.
        send, set_send: ProxySend;
    }
}

impl ProxyConfig {
    /// The key of the proxy for dials, whose value may have credentials.
    pub const VIA: &'static str = "dial.via";

    /// Returns the peers that must send a PROXY header.
    #[must_use]
    pub const fn trusted(&self) -> &TrustedHops {
        &self.trusted
    }

    /// Returns the proxy for dials; `None` dials directly.
    #[must_use]
    pub const fn via(&self) -> Option<&ViaProxy> {
        self.via.as_ref()
    }

    /// Sets the proxy for dials; `None` dials directly.
    pub fn set_via(&mut self, via: Option<ViaProxy>) -> &mut Self {
        self.via = via;
        self
    }

    /// Sets the peers that must send a PROXY header.
    pub fn set_trusted(&mut self, hops: TrustedHops) -> &mut Self {
        self.trusted = hops;
        self
    }

    /// Sets the time for the complete header: 10 ms to 60 s.
    ///
    /// It begins with the accept.
    ///
    /// # Errors
    /// When it is outside of that range. The setting is then unchanged.
    pub fn set_header_timeout(&mut self, limit: Duration) -> Result<&mut Self, ValueError> {
        let (least, most) = TIMEOUTS;
        if !(least..=most).contains(&limit) {
            return Err(ValueError::new("must be 10ms to 60s"));
        }
        self.header_timeout = limit;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use transport_core::schema::Section;

    use super::*;

    #[test]
    fn every_default_can_be_set() {
        let mut config = ProxyConfig::default();
        for key in config.keys() {
            let text = config.get(key.path).unwrap();
            config.set(key.path, &text.as_str().into()).unwrap();
        }
        assert_eq!(config, ProxyConfig::default());
    }

    #[test]
    fn refused_value_changes_nothing() {
        let mut config = ProxyConfig::default();
        for (path, value) in [
            ("proxy.trusted", "10.0.0.1/8"),
            ("proxy.trusted", "unix:"),
            ("proxy.header_timeout", "9ms"),
            ("proxy.header_timeout", "61s"),
            ("proxy.send", "v3"),
            ("proxy.required", "maybe"),
            ("dial.via", "proxy:1080"),
        ] {
            assert!(config.set(path, &value.into()).is_err(), "{path} = {value}");
        }
        assert_eq!(config, ProxyConfig::default());
    }

    #[test]
    fn proxy_for_dials_hides_credentials_in_debug() {
        let mut config = ProxyConfig::default();
        let text = "socks5h://user:secret@proxy:1080";
        config.set("dial.via", &text.into()).unwrap();
        assert_eq!(config.get("dial.via").unwrap(), text);
        assert!(!format!("{config:?}").contains("secret"));
        config.set("dial.via", &"".into()).unwrap();
        assert_eq!(config, ProxyConfig::default());
    }

    #[test]
    fn proxy_for_dials_set_and_unset() {
        let mut config = ProxyConfig::default();
        let proxy: ViaProxy = "http://proxy:3128".parse().unwrap();
        config.set_via(Some(proxy.clone())).set_required(true);
        assert_eq!(config.via(), Some(&proxy));
        assert!(config.required(), "the same configuration is returned");
        config.set_via(None);
        assert_eq!(config.via(), None);
    }

    #[test]
    fn trusted_list_round_trips() {
        let mut config = ProxyConfig::default();
        for (written, shown) in [
            ("unix, 10.0.0.0/8, ::1", "10.0.0.0/8,::1/128,unix"),
            ("unix", "unix"),
            ("", ""),
        ] {
            config.set(TRUSTED, &written.into()).unwrap();
            assert_eq!(config.get(TRUSTED).unwrap(), shown);
            assert_eq!(config.trusted().is_empty(), shown.is_empty());
        }
    }

    #[test]
    fn required_without_trusted_conflicts() {
        let mut config = ProxyConfig::default();
        config.set_required(true);
        assert_eq!(config.check()[0].0, "proxy.required");
        config.set_trusted(TrustedHops::parse(&["::/0"]).unwrap());
        assert!(config.check().is_empty());
        assert_eq!(config.trusted().everyone().unwrap(), "::/0");
    }
}
