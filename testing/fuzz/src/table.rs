//! The table of targets.

use crate::targets;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct FuzzTarget {
    /// The name; the folders of its inputs have it too.
    pub name: &'static str,
    /// Runs one input; panics if the code under test breaks its contract.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> FuzzTarget {
    FuzzTarget { name, run }
}

/// Every target, sorted by name.
pub const TARGETS: &[FuzzTarget] = &[
    target("admin_http", targets::admin_http::run),
    target("cidr", targets::cidr::run),
    target("client_hello", targets::client_hello::run),
    target("config", targets::config::run),
    target("crl", targets::crl::run),
    target("endpoint", targets::endpoint::run),
    target("escape", targets::escape::run),
    target("frame", targets::frame::run),
    target("pem", targets::pem::run),
    target("proxy_header", targets::proxy_header::run),
    target("san", targets::san::run),
    target("tunnel", targets::tunnel::run),
];

/// Returns the target of this name.
#[must_use]
pub fn find(name: &str) -> Option<FuzzTarget> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
