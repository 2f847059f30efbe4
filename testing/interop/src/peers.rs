//! The list of peers: name, version, rows.

mod chromium;
mod curl;
mod ends;
mod gnutls;
mod node;
mod openssl;
mod pyopenssl;
mod python;
mod replicas;
mod revoked;
mod rows;
mod sslyze;
mod testssl;
mod web;

pub(crate) use web::Web;

use crate::lab::Lab;
use crate::table::Rows;

/// A peer.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Whether it is part of the quick run.
    pub(crate) quick: bool,
    /// Returns the version; an error where the peer is missing.
    pub(crate) version: fn(&Lab) -> Result<String, String>,
    pub(crate) run: fn(&Lab, &mut Rows<'_>),
}

/// All peers, in the order of the table.
pub(crate) const PEERS: &[Peer] = &[
    openssl::PEER,
    gnutls::PEER,
    curl::PEER,
    python::PEER,
    pyopenssl::PEER,
    node::PEER,
    chromium::PEER,
    testssl::PEER,
    sslyze::PEER,
];
