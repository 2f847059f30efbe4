//! Exits in the network directory.

use arti_client::TorClient;
use tor_netdir::{Relay, Timeliness};

use super::runtime::ArtiRuntime;

/// Returns whether the directory lists an exit to this port.
///
/// Returns true if no directory is loaded.
pub(crate) fn has_exit(tor: &TorClient<ArtiRuntime>, port: u16) -> bool {
    let netdir = tor.dirmgr().ok();
    let netdir = netdir.and_then(|directory| directory.netdir(Timeliness::Timely).ok());
    netdir.map_or(true, |netdir| {
        netdir.relays().any(|relay| exits_to(&relay, Some(port)))
    })
}

/// Returns whether a relay exits to this port, or to any port.
pub(crate) fn exits_to(relay: &Relay<'_>, port: Option<u16>) -> bool {
    let details = relay.low_level_details();
    match port {
        Some(port) => details.supports_exit_port_ipv4(port),
        None => details.policies_allow_some_port(),
    }
}
