//! Rules for verified peers: allowed names and pinned keys.
//!
//! They apply in addition to a trusted chain.

mod check;
mod path;
mod rules;
mod verifier;

pub(crate) use check::PeerCheck;
pub(crate) use path::{Anchors, KeyPurpose};
pub(crate) use rules::{PeerRules, PinMismatch};
pub(crate) use verifier::PeerVerifier;
