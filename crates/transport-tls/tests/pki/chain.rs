//! Chains with intermediates, and the CRLs of their issuers.
#![allow(dead_code, unused_imports)]

use rcgen::{CertificateParams, PKCS_ECDSA_P256_SHA256};

pub(crate) use transport_testkit::pki::{Authority as Ca, Leaf as Cert};

/// Issues an intermediate with this serial number.
pub(crate) fn sub(
    ca: &Ca,
    name: &str,
    serial: u64,
    tune: impl FnOnce(&mut CertificateParams),
) -> Ca {
    ca.intermediate(name, |params| {
        params.serial_number = Some(serial.into());
        tune(params);
    })
}

/// Issues a leaf with this serial number.
///
/// Appends these certificates to its chain.
pub(crate) fn leaf(
    ca: &Ca,
    san: &str,
    serial: u64,
    rest: &[&Ca],
    tune: impl FnOnce(&mut CertificateParams),
) -> Cert {
    let leaf = ca.leaf_with(&[san], &PKCS_ECDSA_P256_SHA256, |params| {
        params.serial_number = Some(serial.into());
        tune(params);
    });
    leaf.with_chain(rest)
}
