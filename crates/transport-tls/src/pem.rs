//! PEM to DER, and the only file that uses `rustls-pemfile`. That crate is archived upstream; what
//! it parses with lives on in `rustls-pki-types`, which can take its place here.
//!
//! What is wrong is said without a word of the input: it may be a key.

use rustls_pemfile::{read_one_from_slice, Item};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};
use zeroize::{Zeroize, Zeroizing};

/// Every certificate of a file, in its order; other sections are passed over.
///
/// # Errors
/// When it is no PEM, or holds no certificate.
pub(crate) fn certificates(mut pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let mut found = Vec::new();
    while let Some((item, rest)) = read_one_from_slice(pem).map_err(|_| "it is not valid PEM")? {
        match item {
            Item::X509Certificate(certificate) => found.push(certificate),
            other => drop(private_key_of(other)),
        }
        pem = rest;
    }
    if found.is_empty() {
        return Err("there is no certificate in it");
    }
    Ok(found)
}

/// Every CRL of a file in PEM, or the one of a file in DER; other sections are passed over.
///
/// # Errors
/// When it is neither, or holds no CRL.
pub(crate) fn revocation_lists(
    mut file: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, &'static str> {
    /// How DER of a sequence begins (X.690 §8.9.1).
    const SEQUENCE: u8 = 0x30;
    if file.first() == Some(&SEQUENCE) {
        return Ok(vec![file.to_vec().into()]);
    }
    let mut found = Vec::new();
    while let Some((item, rest)) = read_one_from_slice(file).map_err(|_| "it is not valid PEM")? {
        match item {
            Item::Crl(list) => found.push(list),
            other => drop(private_key_of(other)),
        }
        file = rest;
    }
    if found.is_empty() {
        return Err("there is no CRL in it (PEM with X509 CRL sections, or DER)");
    }
    Ok(found)
}

/// The first private key of a file: PKCS#8, PKCS#1 or SEC1. The file's bytes are overwritten,
/// whatever comes of it, and the key's when it is dropped.
///
/// The parser decodes base64 in a buffer of its own, which is freed and not overwritten.
///
/// # Errors
/// When it is no PEM, holds no private key, or an encrypted one.
pub(crate) fn private_key(
    pem: &mut [u8],
) -> Result<Zeroizing<PrivateKeyDer<'static>>, &'static str> {
    let found = first_private_key(pem);
    pem.zeroize();
    found
}

fn first_private_key(mut pem: &[u8]) -> Result<Zeroizing<PrivateKeyDer<'static>>, &'static str> {
    if is_encrypted(pem) {
        return Err("it is encrypted; a key without a passphrase is needed");
    }
    while let Some((item, rest)) = read_one_from_slice(pem).map_err(|_| "it is not valid PEM")? {
        if let Some(key) = private_key_of(item) {
            return Ok(key);
        }
        pem = rest;
    }
    Err("there is no private key in it (PKCS#8, PKCS#1 or SEC1)")
}

fn private_key_of(item: Item) -> Option<Zeroizing<PrivateKeyDer<'static>>> {
    Some(Zeroizing::new(match item {
        Item::Pkcs1Key(key) => key.into(),
        Item::Pkcs8Key(key) => key.into(),
        Item::Sec1Key(key) => key.into(),
        _ => return None,
    }))
}

/// PKCS#8 says so in its label (RFC 7468 §11), the older forms in a header (RFC 1421).
fn is_encrypted(pem: &[u8]) -> bool {
    let holds = |mark: &[u8]| pem.windows(mark.len()).any(|part| part == mark);
    holds(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(b"Proc-Type: 4,ENCRYPTED")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LABELS: [&str; 5] = [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "CERTIFICATE",
        "ENCRYPTED PRIVATE KEY",
    ];

    /// Something that looks like PEM, now and then cut off.
    fn pem_like() -> impl Strategy<Value = Vec<u8>> {
        let section = (0..LABELS.len(), "[A-Za-z0-9+/=\n]{0,200}").prop_map(|(label, body)| {
            let label = LABELS[label];
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        });
        let file = proptest::collection::vec(section, 0..4).prop_map(|parts| parts.concat());
        (file, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(file, at, cut)| {
            let len = if cut {
                at.index(file.len() + 1)
            } else {
                file.len()
            };
            file.as_bytes()[..len].to_vec()
        })
    }

    proptest! {
        #[test]
        fn no_byte_of_a_key_file_is_left(file in pem_like()) {
            let mut ours = file;
            let _ = private_key(&mut ours);
            prop_assert!(ours.iter().all(|&byte| byte == 0));
        }

        #[test]
        fn no_byte_of_any_file_is_left(file in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut ours = file;
            let _ = private_key(&mut ours);
            prop_assert!(ours.iter().all(|&byte| byte == 0));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(file in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = certificates(&file);
        }

        #[test]
        fn what_looks_like_pem_does_not_panic(file in pem_like()) {
            let _ = certificates(&file);
        }

        #[test]
        fn a_key_that_is_found_is_wiped_too(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            let mut key = private_key_of(Item::Pkcs8Key(der.into())).unwrap();
            key.zeroize();
            prop_assert!(key.secret_der().is_empty());
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_input() {
        for (file, says) in [
            ("", "there is no private key in it (PKCS#8, PKCS#1 or SEC1)"),
            (
                "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n",
                "it is not valid PEM",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\n!secret!\n-----END PRIVATE KEY-----\n",
                "it is not valid PEM",
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "it is encrypted; a key without a passphrase is needed",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n",
                "it is encrypted; a key without a passphrase is needed",
            ),
        ] {
            assert_eq!(private_key(&mut file.as_bytes().to_vec()).unwrap_err(), says);
        }
        assert_eq!(
            certificates(b"nothing").unwrap_err(),
            "there is no certificate in it"
        );
    }
}
