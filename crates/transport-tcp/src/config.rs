//! The settings of TCP sockets.

use std::net::IpAddr;
use std::time::Duration;

use transport_core::schema::{
    format_bool, format_duration, Key, Kind, Raw, Reload, SectionTable, Setting, ValueError,
};

/// Longest keepalive idle time, in seconds, that Linux accepts (`MAX_TCP_KEEPIDLE`).
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);
/// Longest user timeout: 24 days.
///
/// The kernel accepts `i32::MAX` milliseconds, a little more.
const MAX_USER_TIMEOUT: Duration = Duration::from_secs(24 * 24 * 3600);

/// Socket options of the TCP backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpConfig {
    nodelay: bool,
    keepalive: Option<Duration>,
    user_timeout: Option<Duration>,
    backlog: u32,
    reuse_port: bool,
    unsent_bytes: u32,
    mptcp: bool,
    fast_open: u32,
    dial_fast_open: bool,
    bind_device: Option<String>,
    source_addrs: Vec<IpAddr>,
    dial_device: Option<String>,
    fwmark: u32,
    dscp: u8,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: Some(Duration::from_secs(60)),
            user_timeout: None,
            backlog: 1024,
            reuse_port: false,
            unsent_bytes: 64 << 10,
            mptcp: false,
            fast_open: 0,
            dial_fast_open: false,
            bind_device: None,
            source_addrs: Vec::new(),
            dial_device: None,
            fwmark: 0,
            dscp: 0,
        }
    }
}

impl SectionTable for TcpConfig {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new("tcp.nodelay", Kind::Bool, Reload::New)
            .doc("Sends small writes at once (`TCP_NODELAY`).")
            .get(|c: &Self| format_bool(c.nodelay))
            .set(|c, value| value.bool().map(|on| c.nodelay = on)),
        Key::new("tcp.keepalive", Kind::Duration, Reload::New)
            .allows("0 (off) or whole seconds, 1s to 32767s")
            .doc("Idle time before the kernel probes whether the peer is still reachable.")
            .get(|c: &Self| format_or_off(c.keepalive))
            .set(|c, value| c.set_keepalive(Some(value.duration()?)).map(drop)),
        Key::new("tcp.user_timeout", Kind::Duration, Reload::New)
            .allows("off or 1ms to 576h")
            .doc("Ends a connection whose sent bytes stay unacknowledged for this long.")
            .get(|c: &Self| format_or_off(c.user_timeout))
            .set(|c, value| c.set_user_timeout(Some(value.duration()?)).map(drop)),
        Key::new("tcp.backlog", Kind::Count, Reload::Restart)
            .allows("at least 1")
            .doc("Connections that the kernel holds until they are accepted; it may lower this.")
            .get(|c: &Self| c.backlog.to_string())
            .set(|c, value| c.set_backlog(value.count()?).map(drop)),
        Key::new("tcp.reuse_port", Kind::Bool, Reload::Restart)
            .doc("Lets other sockets listen on the same port (`SO_REUSEPORT`).")
            .get(|c: &Self| format_bool(c.reuse_port))
            .set(|c, value| value.bool().map(|on| c.reuse_port = on)),
        Key::new("tcp.mptcp", Kind::Bool, Reload::Restart)
            .doc(
                "Listens and dials with Multipath TCP (RFC 8684) where the kernel has it; a peer \
                 without it is served over TCP.",
            )
            .get(|c: &Self| format_bool(c.mptcp))
            .set(|c, value| value.bool().map(|on| c.mptcp = on)),
        Key::new("tcp.fast_open", Kind::Count, Reload::Restart)
            .allows("0 (off) to 65535")
            .doc(
                "Connections of a listener that may send data in their SYN before the handshake is \
                 complete (TCP Fast Open, RFC 7413). The network may deliver such data twice: only \
                 for requests that may be repeated, such as TLS.",
            )
            .get(|c: &Self| c.fast_open.to_string())
            .set(|c, value| c.set_fast_open(value.count()?).map(drop)),
        Key::new("tcp.fwmark", Kind::Count, Reload::New)
            .allows("0 (off) to 4294967295")
            .doc(
                "Mark of sent packets for routing and firewall rules (`SO_MARK`), on accepted and \
                 dialed connections; it needs CAP_NET_ADMIN.",
            )
            .get(|c: &Self| c.fwmark.to_string())
            .set(|c, value| c.set_fwmark(value.count()?).map(drop)),
        Key::new("tcp.dscp", Kind::Count, Reload::New)
            .allows("0 to 63")
            .doc(
                "Differentiated services code point of sent packets (RFC 2474), such as 46 for \
                 expedited forwarding.",
            )
            .get(|c: &Self| c.dscp.to_string())
            .set(|c, value| c.set_dscp(value.count()?).map(drop)),
        Key::new("bind_device", Kind::Text, Reload::Restart)
            .allows("the name of a network device such as eth0; empty for none")
            .doc("Network device through which the listener accepts (`SO_BINDTODEVICE`).")
            .get(|c: &Self| c.bind_device.clone().unwrap_or_default())
            .set(|c, value| c.set_bind_device(value.text()?).map(drop)),
        Key::new("dial.source_addr", Kind::List, Reload::New)
            .allows("an IPv4 address, an IPv6 address, or one of each; empty for none")
            .doc("Local address of dialed TCP connections, by the family of the target's address.")
            .get(|c: &Self| {
                let addrs: Vec<_> = c.source_addrs.iter().map(ToString::to_string).collect();
                addrs.join(",")
            })
            .set(|c, value| {
                parse_addrs(value).and_then(|addrs| c.set_source_addrs(addrs).map(drop))
            }),
        Key::new("dial.fast_open", Kind::Bool, Reload::New)
            .doc(
                "Sends the first bytes of a dialed connection in its SYN (TCP Fast Open), once the \
                 kernel has the target's cookie. Only for protocols whose client sends first. A \
                 target that is down fails after the first write, and no other target is tried.",
            )
            .get(|c: &Self| format_bool(c.dial_fast_open))
            .set(|c, value| value.bool().map(|on| c.dial_fast_open = on)),
        Key::new("dial.bind_device", Kind::Text, Reload::New)
            .allows("the name of a network device such as eth0; empty for none")
            .doc("Network device of dialed TCP connections (`SO_BINDTODEVICE`).")
            .get(|c: &Self| c.dial_device.clone().unwrap_or_default())
            .set(|c, value| c.set_dial_device(value.text()?).map(drop)),
    ];
}

fn parse_addrs(value: &Raw) -> Result<Vec<IpAddr>, ValueError> {
    let parse = |text: &String| {
        let wrong = || ValueError::new(format!("{text:?} is not an IP address without port"));
        text.parse().map_err(|_| wrong())
    };
    value.list().iter().map(parse).collect()
}

/// Returns a device name; `None` for an empty text.
fn device(name: &str) -> Result<Option<String>, ValueError> {
    /// `IFNAMSIZ` of Linux less the final zero.
    const MAX_BYTES: usize = 15;
    let is_wrong = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if name.len() > MAX_BYTES || name.contains(is_wrong) {
        let what = format!("must be the name of a network device, at most {MAX_BYTES} bytes");
        return Err(ValueError::new(what));
    }
    if !name.is_empty() && !cfg!(target_os = "linux") {
        return Err(ValueError::new(
            "this system cannot bind a socket to a device",
        ));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

fn format_or_off(value: Option<Duration>) -> String {
    value.map_or_else(|| "off".to_owned(), format_duration)
}

transport_core::accessors! {
    impl TcpConfig {
        /// Whether small writes are sent at once (`TCP_NODELAY`).
        nodelay, set_nodelay: bool;
        /// Idle time before the kernel probes the peer; `None` is off.
        keepalive: Option<Duration>;
        /// Longest time that sent bytes stay unacknowledged; `None` is the kernel's.
        ///
        /// `TCP_USER_TIMEOUT`, RFC 5482.
        user_timeout: Option<Duration>;
        /// Connections that the kernel holds until they are accepted.
        backlog: u32;
        /// Whether other sockets may listen on the same port (`SO_REUSEPORT`).
        reuse_port, set_reuse_port: bool;
        /// Bytes that the kernel accepts before it has sent them.
        ///
        /// `TCP_NOTSENT_LOWAT`; 0 leaves it to the kernel.
        unsent_bytes: u32;
        /// Whether sockets use Multipath TCP (RFC 8684) where the kernel has it.
        mptcp, set_mptcp: bool;
        /// Connections that may send data in their SYN; 0 is off.
        ///
        /// TCP Fast Open, RFC 7413.
        fast_open: u32;
        /// Whether a dialed connection sends its first bytes in the SYN.
        ///
        /// TCP Fast Open, RFC 7413.
        dial_fast_open, set_dial_fast_open: bool;
        /// Mark of sent packets (`SO_MARK`); 0 is none.
        fwmark: u32;
        /// Differentiated services code point of sent packets (RFC 2474).
        dscp: u8;
    }
}

impl TcpConfig {
    /// Returns the device of a listener (`SO_BINDTODEVICE`).
    #[must_use]
    pub fn bind_device(&self) -> Option<&str> {
        self.bind_device.as_deref()
    }

    /// Returns the device of dialed connections (`SO_BINDTODEVICE`).
    #[must_use]
    pub fn dial_device(&self) -> Option<&str> {
        self.dial_device.as_deref()
    }

    /// Returns the local addresses of dialed connections, one per family.
    #[must_use]
    pub fn source_addrs(&self) -> &[IpAddr] {
        &self.source_addrs
    }
}

/// Setters that validate. A refused value leaves the setting unchanged.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl TcpConfig {
    /// Sets the keepalive idle time: whole seconds, 1 s to 32767 s.
    ///
    /// `None` or zero is off.
    pub fn set_keepalive(&mut self, idle: Option<Duration>) -> Result<&mut Self, ValueError> {
        let idle = idle.filter(|d| !d.is_zero());
        if idle.is_some_and(|d| d > MAX_KEEPALIVE || d.subsec_nanos() != 0) {
            return Err(ValueError::new(
                "must be 0 (off) or whole seconds, 1s to 32767s",
            ));
        }
        self.keepalive = idle;
        Ok(self)
    }

    /// Sets the user timeout: whole milliseconds, at most 24 days.
    ///
    /// `None` or zero leaves it to the kernel.
    pub fn set_user_timeout(&mut self, limit: Option<Duration>) -> Result<&mut Self, ValueError> {
        let limit = limit.filter(|d| !d.is_zero());
        if limit.is_some_and(|d| d > MAX_USER_TIMEOUT || d.subsec_nanos() % 1_000_000 != 0) {
            return Err(ValueError::new("must be off or 1ms to 576h"));
        }
        self.user_timeout = limit;
        Ok(self)
    }

    /// Sets the number of connections that may send data in their SYN.
    ///
    /// 0 (off) to 65535, on Linux only.
    pub fn set_fast_open(&mut self, connections: u64) -> Result<&mut Self, ValueError> {
        if connections != 0 && !cfg!(target_os = "linux") {
            return Err(ValueError::new("only Linux has it"));
        }
        let queue = u16::try_from(connections);
        let queue = queue.map_err(|_| ValueError::new("must be 0 (off) to 65535"))?;
        self.fast_open = u32::from(queue);
        Ok(self)
    }

    /// Sets the mark of sent packets: 0 to `u32::MAX`, on Linux only.
    pub fn set_fwmark(&mut self, mark: u64) -> Result<&mut Self, ValueError> {
        if mark != 0 && !cfg!(target_os = "linux") {
            return Err(ValueError::new("this system has no marks of sockets"));
        }
        let wrong = |_| ValueError::new("must be 0 (off) to 4294967295");
        self.fwmark = u32::try_from(mark).map_err(wrong)?;
        Ok(self)
    }

    /// Sets the differentiated services code point: 0 to 63.
    pub fn set_dscp(&mut self, code: u64) -> Result<&mut Self, ValueError> {
        let code = u8::try_from(code).ok().filter(|code| *code < 64);
        self.dscp = code.ok_or_else(|| ValueError::new("must be 0 to 63"))?;
        Ok(self)
    }

    /// Sets the device of a listener; an empty name is none.
    pub fn set_bind_device(&mut self, name: &str) -> Result<&mut Self, ValueError> {
        self.bind_device = device(name)?;
        Ok(self)
    }

    /// Sets the device of dialed connections; an empty name is none.
    pub fn set_dial_device(&mut self, name: &str) -> Result<&mut Self, ValueError> {
        self.dial_device = device(name)?;
        Ok(self)
    }

    /// Sets the local addresses of dialed connections, one per family.
    pub fn set_source_addrs(
        &mut self,
        addrs: impl IntoIterator<Item = IpAddr>,
    ) -> Result<&mut Self, ValueError> {
        let addrs: Vec<_> = addrs.into_iter().collect();
        let count = |is_v4| addrs.iter().filter(|addr| addr.is_ipv4() == is_v4).count();
        let is_unusable = |addr: &IpAddr| addr.is_unspecified() || addr.is_multicast();
        if count(true) > 1 || count(false) > 1 || addrs.iter().any(is_unusable) {
            let what = "must be addresses of this host, at most one IPv4 and one IPv6 address";
            return Err(ValueError::new(what));
        }
        self.source_addrs = addrs;
        Ok(self)
    }

    /// Sets the backlog: 1 to `i32::MAX`, the range of `listen`.
    pub fn set_backlog(&mut self, connections: u64) -> Result<&mut Self, ValueError> {
        let most = i32::MAX.unsigned_abs();
        self.backlog = match u32::try_from(connections) {
            Ok(0) => return Err(ValueError::new("must be at least 1")),
            Ok(n) if n <= most => n,
            _ => return Err(ValueError::new(format!("must be at most {most}"))),
        };
        Ok(self)
    }

    /// Sets the bytes that the kernel accepts before it has sent them.
    ///
    /// At most `u32::MAX`. No key sets it: guarded constructors and the facade set it to
    /// `limits.chunk_bytes`, so that the kernel holds little memory and a write waits while the
    /// peer reads nothing.
    pub fn set_unsent_bytes(&mut self, bytes: usize) -> &mut Self {
        self.unsent_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }
}

#[cfg(test)]
mod tests {
    use transport_core::schema::Section;

    use super::*;

    #[test]
    fn every_default_can_be_set() {
        let mut tcp = TcpConfig::default();
        for key in tcp.keys() {
            let default = tcp.get(key.path).unwrap();
            tcp.set(key.path, &default.as_str().into()).unwrap();
        }
        assert_eq!(tcp, TcpConfig::default());
    }

    #[test]
    fn refused_value_changes_nothing() {
        let mut tcp = TcpConfig::default();
        for (path, value) in [
            ("tcp.nodelay", "yes"),
            ("tcp.keepalive", "500ms"),
            ("tcp.keepalive", "32768s"),
            ("tcp.user_timeout", "577h"),
            ("tcp.backlog", "0"),
            ("tcp.backlog", "2147483648"),
            ("tcp.reuse_port", ""),
            ("tcp.fwmark", "4294967296"),
            ("tcp.fast_open", "65536"),
            ("tcp.mptcp", "maybe"),
            ("tcp.dscp", "64"),
            ("bind_device", "eth0/1"),
            ("dial.bind_device", "a name of more than 15 bytes"),
            ("dial.source_addr", "127.0.0.1,127.0.0.2"),
            ("dial.source_addr", "0.0.0.0"),
            ("dial.source_addr", "localhost"),
            ("tcp.nothing", "1"),
        ] {
            assert!(tcp.set(path, &value.into()).is_err(), "{path} = {value}");
        }
        assert_eq!(tcp, TcpConfig::default());
    }

    #[test]
    fn zero_and_off_switch_keepalive_off() {
        let mut tcp = TcpConfig::default();
        for off in ["0", "off", "0s"] {
            tcp.set("tcp.keepalive", &"30s".into()).unwrap();
            assert_eq!(tcp.keepalive(), Some(Duration::from_secs(30)));
            tcp.set("tcp.keepalive", &off.into()).unwrap();
            assert_eq!(tcp.keepalive(), None);
        }
    }
}
