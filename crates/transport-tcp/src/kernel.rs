//! Options that the kernel may lack or forbid.

use crate::raw::mptcp_is_available;
use crate::TcpConfig;

/// The bits of `net.ipv4.tcp_fastopen` for dials and for listeners.
const CLIENT: u32 = 1;
const SERVER: u32 = 2;

impl TcpConfig {
    /// Returns warnings about options that the kernel lacks or forbids.
    ///
    /// Such options have no effect. Opens a socket, and reads a file below `/proc/sys`.
    ///
    /// ```
    /// use transport_tcp::TcpConfig;
    ///
    /// assert!(TcpConfig::default().warnings().is_empty());
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.mptcp() && !mptcp_is_available() {
            warnings.push(
                "tcp.mptcp is on, and the kernel has no Multipath TCP or net.mptcp.enabled is 0: \
                 TCP is used"
                    .to_owned(),
            );
        }
        if self.fast_open() != 0 || self.dial_fast_open() {
            let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_fastopen");
            let allowed = allowed.ok().and_then(|text| text.trim().parse().ok());
            warnings.extend(allowed.and_then(|allowed| self.forbidden_fast_open(allowed)));
        }
        warnings
    }

    /// Returns a warning if `net.ipv4.tcp_fastopen` forbids a configured option.
    fn forbidden_fast_open(&self, allowed: u32) -> Option<String> {
        let wanted = [
            ("tcp.fast_open", self.fast_open() != 0, SERVER),
            ("dial.fast_open", self.dial_fast_open(), CLIENT),
        ];
        let forbidden = |(_, is_on, bit): &&(&str, bool, u32)| *is_on && allowed & bit == 0;
        let keys: Vec<_> = wanted
            .iter()
            .filter(forbidden)
            .map(|(key, ..)| *key)
            .collect();
        let needed = wanted.iter().filter(|(_, is_on, _)| *is_on);
        let needed = needed.fold(allowed, |all, (.., bit)| all | bit);
        (!keys.is_empty()).then(|| {
            format!(
                "net.ipv4.tcp_fastopen = {allowed} disables {}: set it to {needed}",
                keys.join(" and "),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_fast_open_names_the_value_to_set() {
        let mut tcp = TcpConfig::default();
        tcp.set_fast_open(16).unwrap();
        for (allowed, set) in [
            (0, Some("2")),
            (1, Some("3")),
            (0x400, Some("1026")),
            (2, None),
        ] {
            let warning = tcp.forbidden_fast_open(allowed);
            assert_eq!(warning.is_some(), set.is_some(), "{allowed}");
            let text = warning.unwrap_or_default();
            assert_eq!(
                text.contains(" disables tcp.fast_open:"),
                set.is_some(),
                "{text}"
            );
            assert!(text.ends_with(set.unwrap_or_default()), "{text}");
        }
        tcp.set_dial_fast_open(true);
        let both = tcp.forbidden_fast_open(0).unwrap();
        assert!(both.contains("tcp.fast_open and dial.fast_open"), "{both}");
        let one = tcp.forbidden_fast_open(2).unwrap();
        assert!(one.contains(" disables dial.fast_open:"), "{one}");
        assert_eq!(tcp.forbidden_fast_open(3), None);
    }
}
