//! PEM to DER, and the only file that uses `rustls-pemfile`.
//!
//! That crate is archived upstream. Its parser continues in `rustls-pki-types`, which can replace it
//! here.
//!
//! Errors contain no part of the input, which can be a key.

use rustls_pemfile::{read_one_from_slice, Item};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};
use zeroize::{Zeroize, Zeroizing};

use crate::pem_diagnosis::{self, FileKind, PemBlock};

/// The byte order mark of UTF-8, written by Windows editors.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Returns every certificate of a file, in order; skips other sections.
///
/// # Errors
/// If the file is not PEM, has no certificate, or has one in OpenSSL's own format.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut ours = Zeroizing::new(pem.to_vec());
    normalize(&mut ours);
    let blocks = pem_diagnosis::blocks(&ours);
    let mut certificates = Vec::new();
    for block in &blocks {
        match block.kind {
            FileKind::Certificate => certificates.extend(certificate(block)?),
            // An error, because a skipped authority would refuse its peers later.
            kind @ FileKind::TrustedCertificate => {
                return Err(pem_diagnosis::no_certificate(kind, false))
            }
            _ => {}
        }
    }
    if certificates.is_empty() {
        let (kind, is_der) = actual_kind(pem, &blocks);
        return Err(pem_diagnosis::no_certificate(kind, is_der));
    }
    Ok(certificates)
}

/// Returns the CRLs of a file.
///
/// A PEM file has any number of them, a DER file one. Skips other sections.
///
/// # Errors
/// If the file is neither, or has no CRL.
pub(crate) fn revocation_lists(
    file: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, &'static str> {
    /// The first byte of a sequence in DER (X.690 §8.9.1).
    const SEQUENCE: u8 = 0x30;
    if file.first() == Some(&SEQUENCE) {
        return Ok(vec![file.to_vec().into()]);
    }
    let mut ours = Zeroizing::new(file.to_vec());
    normalize(&mut ours);
    let mut file = ours.as_slice();
    let mut found = Vec::new();
    while let Some((item, rest)) = read_one_from_slice(file).map_err(|_| "it is not valid PEM")? {
        match item {
            Item::Crl(list) => found.push(list),
            other => drop(private_key_of(other)),
        }
        file = rest;
    }
    if found.is_empty() {
        return Err("the file has no CRL (PEM with X509 CRL sections, or DER)");
    }
    Ok(found)
}

/// Returns the only private key of a file: PKCS#8, PKCS#1 or SEC1.
///
/// The bytes of the file are overwritten on success and on error, those of the key when it is
/// dropped. The parser decodes base64 in its own buffer, which is freed and not overwritten.
///
/// # Errors
/// If the file is not PEM, has no private key or several, or an encrypted one.
pub(crate) fn private_key(pem: &mut [u8]) -> Result<Zeroizing<PrivateKeyDer<'static>>, String> {
    let found = only_private_key(pem);
    pem.zeroize();
    found
}

fn only_private_key(pem: &mut [u8]) -> Result<Zeroizing<PrivateKeyDer<'static>>, String> {
    let whole = pem_diagnosis::file_kind(pem);
    normalize(pem);
    let blocks = pem_diagnosis::blocks(pem);
    if blocks
        .iter()
        .any(|block| block.kind == FileKind::EncryptedKey)
    {
        return Err(pem_diagnosis::no_key(FileKind::EncryptedKey, false));
    }
    let mut keys: Vec<Zeroizing<PrivateKeyDer<'static>>> = Vec::new();
    for block in blocks.iter().filter(|block| block.kind == FileKind::Key) {
        let key = item(block)?.and_then(private_key_of);
        if key.as_ref().is_some_and(|key| key.secret_der().is_empty()) {
            return Err(
                "a private key section in it is empty: install the complete file".to_owned(),
            );
        }
        // A repeated key counts once.
        keys.extend(key.filter(|key| !keys.contains(key)));
    }
    match keys.len() {
        0 if blocks.is_empty() => Err(pem_diagnosis::no_key(whole, is_binary(whole))),
        0 => Err(pem_diagnosis::no_key(main_kind(&blocks), false)),
        1 => keys.pop().ok_or_else(String::new),
        many => Err(format!(
            "it holds {many} private keys: keep only the one that belongs to the certificate"
        )),
    }
}

/// Removes byte order marks, leading white space and tabs.
///
/// White space is leading at the start of a line.
fn normalize(pem: &mut [u8]) {
    let mut starts_line = true;
    for at in 0..pem.len() {
        if pem[at..].starts_with(BOM) {
            pem[at..at + BOM.len()].fill(b'\n');
        }
        match pem[at] {
            b'\n' | b'\r' => starts_line = true,
            b' ' | b'\t' if starts_line => pem[at] = b'\n',
            b'\t' => pem[at] = b' ',
            _ => starts_line = false,
        }
    }
}

fn item(block: &PemBlock<'_>) -> Result<Option<Item>, String> {
    let found = read_one_from_slice(block.text).map_err(|_| "it is not valid PEM".to_owned())?;
    Ok(found.map(|(item, _)| item))
}

fn certificate(block: &PemBlock<'_>) -> Result<Option<CertificateDer<'static>>, String> {
    Ok(match item(block)? {
        Some(Item::X509Certificate(certificate)) => Some(certificate),
        other => {
            drop(other.and_then(private_key_of));
            None
        }
    })
}

/// Returns the kind of a file without the required section.
///
/// Also returns whether the file is DER.
fn actual_kind(pem: &[u8], blocks: &[PemBlock<'_>]) -> (FileKind, bool) {
    if blocks.is_empty() {
        let kind = pem_diagnosis::file_kind(pem);
        return (kind, is_binary(kind));
    }
    (main_kind(blocks), false)
}

/// Returns the kind of the first block that characterizes a file.
fn main_kind(blocks: &[PemBlock<'_>]) -> FileKind {
    let mut kinds = blocks.iter().map(|block| block.kind);
    let is_specific = |kind: &FileKind| !matches!(kind, FileKind::Parameters | FileKind::Other);
    kinds
        .clone()
        .find(is_specific)
        .or(kinds.next())
        .unwrap_or(FileKind::Other)
}

const fn is_binary(kind: FileKind) -> bool {
    !matches!(
        kind,
        FileKind::Pkcs12
            | FileKind::JavaKeystore
            | FileKind::Utf16
            | FileKind::Binary
            | FileKind::Empty
            | FileKind::Other
    )
}

fn private_key_of(item: Item) -> Option<Zeroizing<PrivateKeyDer<'static>>> {
    Some(Zeroizing::new(match item {
        Item::Pkcs1Key(key) => key.into(),
        Item::Pkcs8Key(key) => key.into(),
        Item::Sec1Key(key) => key.into(),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_rustls::rustls::pki_types::pem::{PemObject, SectionKind};

    use super::*;

    const LABELS: [&str; 5] = [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "CERTIFICATE",
        "ENCRYPTED PRIVATE KEY",
    ];

    /// Generates PEM files, some of them truncated.
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
        fn key_file_is_overwritten(file in pem_like()) {
            let mut ours = file;
            let _ = private_key(&mut ours);
            prop_assert!(ours.iter().all(|&byte| byte == 0));
        }

        #[test]
        fn arbitrary_file_is_overwritten(file in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut ours = file;
            let _ = private_key(&mut ours);
            prop_assert!(ours.iter().all(|&byte| byte == 0));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(file in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = certificates(&file);
        }

        #[test]
        fn truncated_pem_does_not_panic(file in pem_like()) {
            let _ = certificates(&file);
        }

        #[test]
        fn parsed_key_is_overwritten(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            let mut key = private_key_of(Item::Pkcs8Key(der.into())).unwrap();
            key.zeroize();
            prop_assert!(key.secret_der().is_empty());
        }
    }

    #[test]
    fn leading_white_space_and_marks_are_removed() {
        for (file, expected) in [
            ("  -----BEGIN X-----", "\n\n-----BEGIN X-----"),
            (
                "\t-----BEGIN X-----\n  AA==\r\n \tBB",
                "\n-----BEGIN X-----\n\n\nAA==\r\n\n\nBB",
            ),
            ("a b\tc\n\td", "a b c\n\nd"),
            ("\u{feff}-----BEGIN X-----", "\n\n\n-----BEGIN X-----"),
        ] {
            let mut bytes = file.as_bytes().to_vec();
            normalize(&mut bytes);
            assert_eq!(bytes, expected.as_bytes(), "{file:?}");
        }
    }

    #[test]
    fn file_kind_is_that_of_its_main_block() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nAA==\n-----END {label}-----\n");
        let wrong = |file: &str| private_key(&mut file.as_bytes().to_vec()).unwrap_err();
        let parameters = block("EC PARAMETERS");
        for label in ["CERTIFICATE", "PUBLIC KEY"] {
            let alone = wrong(&block(label));
            assert_eq!(wrong(&format!("{parameters}{}", block(label))), alone);
            assert_ne!(wrong(&parameters), alone);
        }
    }

    #[test]
    fn errors_do_not_contain_input() {
        for (file, says) in [
            (
                "",
                "there is no private key in it (PKCS#8, PKCS#1 or SEC1): it holds no data",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n",
                "it is not valid PEM",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
                "a private key section in it is empty: install the complete file",
            ),
            (
                "-----BEGIN PRIVATE KEY-----\n!secret!\n-----END PRIVATE KEY-----\n",
                "it is not valid PEM",
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "it is encrypted, and a key without a passphrase is required; \
                 convert it with: openssl pkey -in FILE -out FILE.pem",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n",
                "it is encrypted, and a key without a passphrase is required; \
                 convert it with: openssl pkey -in FILE -out FILE.pem",
            ),
        ] {
            assert_eq!(private_key(&mut file.as_bytes().to_vec()).unwrap_err(), says);
        }
        assert_eq!(
            certificates(b"nothing").unwrap_err(),
            "there is no certificate in it"
        );
    }

    proptest! {
        /// Compares the archived parser with its replacement, section by section.
        #[test]
        fn sections_are_those_of_pem_object(file in pem_like()) {
            let mut ours = Vec::new();
            let mut rest = &file[..];
            while let Ok(Some((item, left))) = read_one_from_slice(rest) {
                rest = left;
                match item {
                    Item::X509Certificate(der) => ours.push((SectionKind::Certificate, der.to_vec())),
                    Item::Pkcs8Key(key) => {
                        ours.push((SectionKind::PrivateKey, key.secret_pkcs8_der().to_vec()));
                    }
                    Item::Pkcs1Key(key) => {
                        ours.push((SectionKind::RsaPrivateKey, key.secret_pkcs1_der().to_vec()));
                    }
                    Item::Sec1Key(key) => {
                        ours.push((SectionKind::EcPrivateKey, key.secret_sec1_der().to_vec()));
                    }
                    _ => {}
                }
            }
            let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(&file);
            let theirs: Vec<_> = sections.map_while(Result::ok).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
