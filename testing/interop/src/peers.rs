//! The peers: what each is called, how its version is told, and its rows.

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

use crate::lab::Lab;
use crate::table::Rows;

/// One peer.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Part of the quick run.
    pub(crate) quick: bool,
    /// What it says it is; an error where it cannot be had.
    pub(crate) version: fn(&Lab) -> Result<String, String>,
    pub(crate) run: fn(&Lab, &mut Rows<'_>),
}

/// All of them, in the order of the table.
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
