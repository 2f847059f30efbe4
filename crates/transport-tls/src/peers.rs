//! Rules for verified peers beyond a trusted chain: allowed names and pinned keys.

mod check;
mod path;
mod rules;
mod verifier;

pub(crate) use check::PeerCheck;
pub(crate) use path::{Anchors, KeyPurpose};
pub(crate) use rules::{PeerRules, PinMismatch};
pub(crate) use verifier::PeerVerifier;
