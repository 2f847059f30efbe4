//! The PROXY protocol with programs of other projects.
//!
//! A balancer in front announces the client, and the gateway's log must name it. Behind the gateway, a
//! balancer accepts the gateway's header, and the balancer's log must name the client.

mod curl;
mod haproxy;
mod nginx;
mod rows;

use crate::peers::Peer;

/// All peers, in the order of the table.
pub(crate) const PROXY_PEERS: &[Peer] = &[haproxy::PEER, nginx::PEER, curl::PEER];
