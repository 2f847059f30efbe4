//! Certificates, keys and CRLs for tests, and the files that hold them.
//!
//! An [`Authority`] issues certificates ([`Leaf`]), intermediates and CRLs ([`Crl`]); a
//! [`PkiDir`] writes them. `rcgen` is re-exported for the parameters that a test changes.

mod authority;
mod crl;
mod files;
mod leaf;

pub use authority::Authority;
pub use crl::Crl;
pub use files::PkiDir;
pub use leaf::Leaf;
pub use rcgen;
