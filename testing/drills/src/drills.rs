//! The list of drills: name, fault, expected signal, cure.

mod admin_flood;
mod alpn;
mod balancer;
mod dead_peer;
mod drain;
mod evict;
mod fds;
mod frames;
mod hot_peer;
mod log_disk;
mod memory_hog;
mod network;
mod overload;
mod pq;
mod reload;
mod restore;
mod revoked;
mod slow;
mod start_errors;
mod tor;
mod uds;
mod upgrade;
mod upstream;

use crate::case::{Case, Outcome};
use ron_lab::Lab;

/// A drill.
pub(crate) struct Drill {
    pub(crate) name: &'static str,
    pub(crate) fault: &'static str,
    /// The signal that shows the fault.
    pub(crate) expected: &'static str,
    pub(crate) cure: &'static str,
    /// Whether it is part of the quick run: clearly under 20 s.
    pub(crate) quick: bool,
    pub(crate) run: fn(&Lab, &mut Case) -> Outcome,
}

/// All drills, in the order of the table.
pub(crate) const DRILLS: &[Drill] = &[
    start_errors::BAD_KEY_PERMS,
    start_errors::MISSING_KEY,
    start_errors::MISMATCHED_PAIR,
    start_errors::BIND_IN_USE,
    start_errors::BAD_CONFIG,
    reload::MISCONFIG,
    frames::TOO_LARGE_FRAMES,
    reload::STRANGLED,
    hot_peer::FLOOD,
    memory_hog::GREEDY,
    evict::IDLE_CROWD,
    overload::SHORT_OF_MEMORY,
    upstream::CONGESTED,
    uds::WRONG_UID,
    start_errors::OPEN_DIR,
    dead_peer::DEAD_PEER,
    slow::READER,
    slow::HONEST,
    slow::WRITER,
    slow::SILENT,
    network::LATENCY,
    network::LOSS,
    alpn::MISMATCH,
    revoked::CRL,
    restore::SECRETS,
    restore::ROLLBACK,
    pq::CANARY,
    fds::EXHAUSTION,
    admin_flood::FLOOD,
    log_disk::FULL,
    upstream::FLAPPING,
    restore::KILLED,
    drain::SLOW_ANSWER,
    upgrade::ROLLING,
    balancer::HAPROXY,
    balancer::NGINX,
    balancer::ENVOY,
    tor::STALL,
    tor::RECOVER,
];

/// Returns the user that runs the drills and the gateways.
fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}
