//! Options that the kernel may lack or forbid.

use crate::raw::mptcp_is_available;
use crate::TcpConfig;

impl TcpConfig {
    /// Returns warnings about options that the kernel lacks or forbids.
    ///
    /// Such options have no effect. Opens a socket if an option needs it.
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
        warnings
    }
}
