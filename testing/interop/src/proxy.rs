//! The PROXY protocol, and dials through proxies, with programs of other projects.
//!
//! A balancer in front announces the client, and the gateway's log must name it. Behind the gateway, a
//! balancer accepts the gateway's header, and the balancer's log must name the client. SOCKS5 and HTTP
//! proxies carry the gateway's dials to its target.

mod curl;
mod haproxy;
mod nginx;
mod rows;
mod via;

use crate::peers::Peer;

/// All peers, in the order of the table.
pub(crate) const PROXY_PEERS: &[Peer] = &[
    haproxy::PEER,
    nginx::PEER,
    curl::PEER,
    via::MICROSOCKS,
    via::DANTE,
    via::OPENSSH,
    via::TINYPROXY,
];
