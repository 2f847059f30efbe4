//! Chains with intermediates, and CRLs of their issuers.
#![allow(dead_code)]

use rcgen::{
    date_time_ymd, BasicConstraints, CertificateParams, CertificateRevocationListParams,
    CertifiedIssuer, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};

/// An authority of a chain.
pub(crate) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
}

/// A certificate with its chain and key.
pub(crate) struct Cert {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// Returns the parameters of an authority.
fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Ca {
    pub(crate) fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(ca_params(name), key).unwrap();
        let name = name.to_owned();
        Self { issuer, name }
    }

    /// Issues an intermediate with this serial number.
    pub(crate) fn sub(
        &self,
        name: &str,
        serial: u64,
        tune: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = ca_params(name);
        params.serial_number = Some(SerialNumber::from(serial));
        tune(&mut params);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap();
        let name = name.to_owned();
        Self { issuer, name }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a leaf with this serial number, followed by these certificates.
    pub(crate) fn leaf(
        &self,
        san: &str,
        serial: u64,
        rest: &[&Ca],
        tune: impl FnOnce(&mut CertificateParams),
    ) -> Cert {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName(san.try_into().unwrap())];
        params.serial_number = Some(SerialNumber::from(serial));
        tune(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let rest: String = rest.iter().map(|ca| ca.pem()).collect();
        Cert {
            chain: leaf.pem() + &rest,
            key: key.serialize_pem(),
        }
    }

    /// Issues a CRL valid between two years, with these serial numbers.
    pub(crate) fn crl(&self, years: (i32, i32), revoked: &[u64]) -> Crl {
        signed(&self.issuer, years, revoked)
    }

    /// Issues a CRL in this authority's name, signed with another key.
    pub(crate) fn forged_crl(&self, years: (i32, i32)) -> Crl {
        let key = KeyPair::generate().unwrap();
        signed(&Issuer::new(ca_params(&self.name), key), years, &[])
    }

    /// Issues a CRL although the certificate does not allow cRLSign.
    pub(crate) fn crl_without_permission(&self, years: (i32, i32)) -> Crl {
        let key = KeyPair::try_from(self.issuer.key().serialize_der()).unwrap();
        signed(&Issuer::new(ca_params(&self.name), key), years, &[])
    }
}

/// A CRL in DER and PEM.
pub(crate) struct Crl {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
}

fn signed(issuer: &Issuer<'_, KeyPair>, years: (i32, i32), revoked: &[u64]) -> Crl {
    let revoked = revoked.iter().map(|&serial| RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(years.0, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(years.0, 1, 1),
        next_update: date_time_ymd(years.1, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = params.signed_by(issuer).unwrap();
    Crl {
        pem: crl.pem().unwrap(),
        der: crl.der().to_vec(),
    }
}
