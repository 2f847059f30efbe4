//! Certificate revocation lists.

use rcgen::{
    date_time_ymd, CertificateRevocationListParams, Issuer, KeyIdMethod, RevokedCertParams,
    SerialNumber, SigningKey,
};

/// A certificate revocation list in both encodings.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Crl {
    /// The list as PEM.
    pub pem: String,
    /// The list as DER.
    pub der: Vec<u8>,
}

impl Crl {
    pub(super) fn between_years(
        issuer: &Issuer<'_, impl SigningKey>,
        (from, to): (i32, i32),
        revoked: &[u64],
    ) -> Self {
        let revoked = revoked.iter().map(|&serial| RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: date_time_ymd(from, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(from, 1, 1),
            next_update: date_time_ymd(to, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Self::signed(&params, issuer)
    }

    pub(super) fn signed(
        params: &CertificateRevocationListParams,
        issuer: &Issuer<'_, impl SigningKey>,
    ) -> Self {
        let crl = params.signed_by(issuer).unwrap();
        Self {
            pem: crl.pem().unwrap(),
            der: crl.der().to_vec(),
        }
    }
}
