//! The settings of TCP sockets: typed, in range by construction, and described as keys.

use std::time::Duration;

use transport_core::schema::{
    format_bool, format_duration, parse_bool, parse_count, parse_duration, Key, Kind, Raw, Reload,
    Section, ValueError,
};

/// Longest keepalive idle time, in seconds, that Linux takes (`MAX_TCP_KEEPIDLE`).
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);
/// Longest user timeout: 24 days, just under the `i32::MAX` milliseconds that the kernel takes.
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
        }
    }
}

/// Reads of one field each.
impl TcpConfig {
    /// Whether small writes go out at once (`TCP_NODELAY`).
    #[must_use]
    pub const fn nodelay(&self) -> bool {
        self.nodelay
    }

    /// Idle time before the kernel probes the peer; `None` is off.
    #[must_use]
    pub const fn keepalive(&self) -> Option<Duration> {
        self.keepalive
    }

    /// How long sent bytes may stay unacknowledged (`TCP_USER_TIMEOUT`, RFC 5482); `None` leaves
    /// it to the kernel.
    #[must_use]
    pub const fn user_timeout(&self) -> Option<Duration> {
        self.user_timeout
    }

    /// Connections the kernel holds until they are accepted: 1 to `i32::MAX`, which is what
    /// `listen` takes.
    #[must_use]
    pub const fn backlog(&self) -> u32 {
        self.backlog
    }

    /// Whether other sockets may listen on the same port (`SO_REUSEPORT`).
    #[must_use]
    pub const fn reuse_port(&self) -> bool {
        self.reuse_port
    }

    /// Bytes that the kernel accepts before it has sent them (`TCP_NOTSENT_LOWAT`); 0 leaves it to
    /// the kernel.
    #[must_use]
    pub const fn unsent_bytes(&self) -> u32 {
        self.unsent_bytes
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// Those that return a `Result`: a sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl TcpConfig {
    /// Whether small writes go out at once.
    pub fn set_nodelay(&mut self, on: bool) -> &mut Self {
        self.nodelay = on;
        self
    }

    /// Idle time before the kernel probes the peer: whole seconds, 1 s to 32767 s; `None` or zero
    /// is off.
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

    /// How long sent bytes may stay unacknowledged: whole milliseconds, at most 24 days; `None` or
    /// zero leaves it to the kernel.
    pub fn set_user_timeout(&mut self, limit: Option<Duration>) -> Result<&mut Self, ValueError> {
        let limit = limit.filter(|d| !d.is_zero());
        if limit.is_some_and(|d| d > MAX_USER_TIMEOUT || d.subsec_nanos() % 1_000_000 != 0) {
            return Err(ValueError::new("must be off or 1ms to 576h"));
        }
        self.user_timeout = limit;
        Ok(self)
    }

    /// Connections the kernel holds until they are accepted: at least 1.
    pub fn set_backlog(&mut self, connections: u64) -> Result<&mut Self, ValueError> {
        let most = i32::MAX.unsigned_abs();
        self.backlog = match u32::try_from(connections) {
            Ok(0) => return Err(ValueError::new("must be at least 1")),
            Ok(n) if n <= most => n,
            _ => return Err(ValueError::new(format!("must be at most {most}"))),
        };
        Ok(self)
    }

    /// Whether other sockets may listen on the same port.
    pub fn set_reuse_port(&mut self, on: bool) -> &mut Self {
        self.reuse_port = on;
        self
    }

    /// Bytes that the kernel accepts before it has sent them, at most `u32::MAX`. No key sets it:
    /// guarded constructors and the facade set it to `limits.chunk_bytes`, so that memory held in
    /// the kernel stays small and a write waits while the peer takes nothing.
    pub fn set_unsent_bytes(&mut self, bytes: usize) -> &mut Self {
        self.unsent_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }
}

const KEYS: &[Key] = &[
    Key {
        path: "tcp.nodelay",
        kind: Kind::Bool,
        default: "true",
        rule: "on or off",
        reload: Reload::New,
        doc: "Sends small writes at once (`TCP_NODELAY`).",
    },
    Key {
        path: "tcp.keepalive",
        kind: Kind::Duration,
        default: "60s",
        rule: "0 (off) or whole seconds, 1s to 32767s",
        reload: Reload::New,
        doc: "Idle time before the kernel probes whether the peer is still there.",
    },
    Key {
        path: "tcp.user_timeout",
        kind: Kind::Duration,
        default: "off",
        rule: "off or 1ms to 576h",
        reload: Reload::New,
        doc: "Ends a connection whose sent bytes stay unacknowledged for this long.",
    },
    Key {
        path: "tcp.backlog",
        kind: Kind::Count,
        default: "1024",
        rule: "at least 1",
        reload: Reload::Restart,
        doc: "Connections the kernel holds until they are accepted; it may lower this itself.",
    },
    Key {
        path: "tcp.reuse_port",
        kind: Kind::Bool,
        default: "false",
        rule: "on or off",
        reload: Reload::Restart,
        doc: "Lets other sockets listen on the same port (`SO_REUSEPORT`).",
    },
];

impl Section for TcpConfig {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        let text = value.text()?;
        match path {
            "tcp.nodelay" => self.set_nodelay(parse_bool(text)?),
            "tcp.keepalive" => self.set_keepalive(Some(parse_duration(text)?))?,
            "tcp.user_timeout" => self.set_user_timeout(Some(parse_duration(text)?))?,
            "tcp.backlog" => self.set_backlog(parse_count(text)?)?,
            "tcp.reuse_port" => self.set_reuse_port(parse_bool(text)?),
            _ => return Err(ValueError::new("no such key")),
        };
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        let or_off = |value: Option<Duration>| value.map_or("off".to_owned(), format_duration);
        Some(match path {
            "tcp.nodelay" => format_bool(self.nodelay),
            "tcp.keepalive" => or_off(self.keepalive),
            "tcp.user_timeout" => or_off(self.user_timeout),
            "tcp.backlog" => self.backlog.to_string(),
            "tcp.reuse_port" => format_bool(self.reuse_port),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_what_the_struct_has_and_can_be_set() {
        let mut tcp = TcpConfig::default();
        for key in KEYS {
            assert_eq!(tcp.get(key.path).unwrap(), key.default, "{}", key.path);
            tcp.set(key.path, &key.default.into()).unwrap();
        }
        assert_eq!(tcp, TcpConfig::default());
    }

    #[test]
    fn a_refused_value_changes_nothing() {
        let mut tcp = TcpConfig::default();
        for (path, value) in [
            ("tcp.nodelay", "yes"),
            ("tcp.keepalive", "500ms"),
            ("tcp.keepalive", "32768s"),
            ("tcp.user_timeout", "577h"),
            ("tcp.backlog", "0"),
            ("tcp.backlog", "2147483648"),
            ("tcp.reuse_port", ""),
            ("tcp.nothing", "1"),
        ] {
            assert!(tcp.set(path, &value.into()).is_err(), "{path} = {value}");
        }
        assert_eq!(tcp, TcpConfig::default());
    }

    #[test]
    fn zero_and_off_both_switch_off() {
        let mut tcp = TcpConfig::default();
        for off in ["0", "off", "0s"] {
            tcp.set("tcp.keepalive", &"30s".into()).unwrap();
            assert_eq!(tcp.keepalive(), Some(Duration::from_secs(30)));
            tcp.set("tcp.keepalive", &off.into()).unwrap();
            assert_eq!(tcp.keepalive(), None);
        }
    }
}
