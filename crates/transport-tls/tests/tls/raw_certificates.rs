//! Chains of authorities, and certificates with hand-encoded extensions.

use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use transport_tls::rustls::pki_types::CertificateDer;

use crate::pki::{Authority, Leaf};

/// An authority with the certificates between it and the root.
pub(crate) struct Ca {
    authority: Authority,
    name: DistinguishedName,
    der: CertificateDer<'static>,
    /// Its own certificate first; empty for a root.
    chain: Vec<CertificateDer<'static>>,
}

impl Ca {
    pub(crate) fn root() -> Self {
        let name = &next_name();
        Self::new(
            Authority::root_with(name, |params| params.key_usages.clear()),
            common_name(name),
        )
    }

    fn new(authority: Authority, name: DistinguishedName) -> Self {
        Self {
            der: authority.der().to_vec().into(),
            authority,
            name,
            chain: Vec::new(),
        }
    }

    /// Issues an intermediate authority.
    pub(crate) fn below(&self, tune: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut name = DistinguishedName::new();
        let authority = self.authority.intermediate(&next_name(), |params| {
            params.key_usages.clear();
            tune(params);
            name = params.distinguished_name.clone();
        });
        let mut ca = Self::new(authority, name);
        ca.chain = vec![ca.der.clone()];
        ca.chain.extend(self.chain.iter().cloned());
        ca
    }

    /// Issues a certificate with these names, and appends its chain.
    pub(crate) fn leaf(&self, names: &[Vec<u8>]) -> Leaf {
        self.leaf_with(names, |_| {})
    }

    pub(crate) fn leaf_with(
        &self,
        names: &[Vec<u8>],
        tune: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let params = |params: &mut CertificateParams| {
            if !names.is_empty() {
                params.custom_extensions.push(san(names));
            }
            tune(params);
        };
        let authority = &self.authority;
        let mut leaf = authority.leaf_with(&[], &PKCS_ECDSA_P256_SHA256, params);
        leaf.cert += &pem(&self.chain);
        leaf
    }

    /// Returns the subject.
    pub(crate) fn name(&self) -> DistinguishedName {
        self.name.clone()
    }

    pub(crate) fn pem(&self) -> String {
        self.authority.pem()
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.authority.key()
    }
}

/// Returns a name that no other authority has.
fn next_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("authority {}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// Encodes certificates as PEM.
pub(crate) fn pem(chain: &[CertificateDer<'_>]) -> String {
    use base64::engine::general_purpose::STANDARD;
    use base64::Engine;
    let pem = |der: &CertificateDer<'_>| {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).collect();
        let lines = lines.iter().map(|line| std::str::from_utf8(line).unwrap());
        let body = lines.collect::<Vec<_>>().join("\n");
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    chain.iter().map(pem).collect()
}

/// Encodes a DER value (X.690 §8.1).
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let len = match (high, low) {
        (0, 0..=0x7f) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], &len[..], content].concat()
}

pub(crate) fn email(text: &str) -> Vec<u8> {
    der(0x81, text.as_bytes())
}

pub(crate) fn dns(text: &str) -> Vec<u8> {
    der(0x82, text.as_bytes())
}

pub(crate) fn uri(text: &str) -> Vec<u8> {
    der(0x86, text.as_bytes())
}

/// Encodes an address, or an address with its mask in a constraint.
pub(crate) fn ip(bytes: &[u8]) -> Vec<u8> {
    der(0x87, bytes)
}

/// Encodes a user principal name of Active Directory.
pub(crate) fn other_name(text: &str) -> Vec<u8> {
    let oid = [6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x14, 2, 3];
    let value = der(0xa0, &der(0x0c, text.as_bytes()));
    der(0xa0, &[&oid[..], &value].concat())
}

/// Encodes a directory name with only a common name.
pub(crate) fn directory(common_name: &str) -> Vec<u8> {
    let attribute = [&[6, 3, 0x55, 4, 3], &der(0x0c, common_name.as_bytes())[..]].concat();
    der(0xa4, &der(0x30, &der(0x31, &der(0x30, &attribute))))
}

pub(crate) fn registered_id() -> Vec<u8> {
    der(0x88, &[0x2a, 3])
}

fn san(names: &[Vec<u8>]) -> CustomExtension {
    let content = der(0x30, &names.concat());
    CustomExtension::from_oid_content(&[2, 5, 29, 17], content)
}

/// Returns critical name constraints (RFC 5280 §4.2.1.10).
pub(crate) fn constrain(permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> CustomExtension {
    let subtrees = |tag, names: &[Vec<u8>]| match names {
        [] => Vec::new(),
        names => {
            let trees: Vec<_> = names.iter().map(|name| der(0x30, name)).collect();
            der(tag, &trees.concat())
        }
    };
    let content = [subtrees(0xa0, permitted), subtrees(0xa1, excluded)].concat();
    let content = der(0x30, &content);
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], content);
    extension.set_criticality(true);
    extension
}
