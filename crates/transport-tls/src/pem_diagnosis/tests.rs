use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::*;

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

/// Encodes a DER element.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap();
    let mut out = match u8::try_from(len) {
        Ok(len) if len < 0x80 => vec![tag, len],
        Ok(len) => vec![tag, 0x81, len],
        _ => [&[tag, 0x82][..], &len.to_be_bytes()].concat(),
    };
    out.extend(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

#[test]
fn der_kind_by_fields() {
    let key = key();
    let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    let request = params.serialize_request(&key).unwrap().der().to_vec();
    let number = |n: u8| element(0x02, &[n]);
    let algorithm = sequence(&[element(0x06, &[0x2a, 0x03])]);
    let long = |tag| element(tag, &[1; 200]);
    let time = element(0x17, b"260101000000Z");
    let crl = |version: &[Vec<u8>]| {
        let body = [version, &[algorithm.clone(), sequence(&[]), time.clone()]].concat();
        sequence(&[sequence(&body), algorithm.clone(), element(0x03, &[0; 200])])
    };
    for (der, kind) in [
        (certificate.clone(), FileKind::Certificate),
        (request, FileKind::Request),
        // Without the optional attributes.
        (
            sequence(&[
                sequence(&[number(0), sequence(&[long(0x0c)]), sequence(&[])]),
                algorithm.clone(),
                element(0x03, &[0; 200]),
            ]),
            FileKind::Request,
        ),
        (key.serialize_der(), FileKind::Key),
        (crl(&[number(1)]), FileKind::Crl),
        (crl(&[]), FileKind::Crl),
        (sequence(&[number(1), long(0x04)]), FileKind::Key),
        (
            sequence(&[number(0), long(0x02), number(3), number(5)]),
            FileKind::Key,
        ),
        (
            sequence(&[algorithm.clone(), long(0x04)]),
            FileKind::EncryptedKey,
        ),
        (
            sequence(&[algorithm.clone(), element(0x03, &[0; 200])]),
            FileKind::PublicKey,
        ),
        (
            sequence(&[number(3), sequence(&[algorithm.clone(), long(0xa0)])]),
            FileKind::Pkcs12,
        ),
        (
            sequence(&[element(0x06, &[0x2a, 0x03]), long(0xa0)]),
            FileKind::Pkcs7,
        ),
        (
            [certificate, b"\n".to_vec()].concat(),
            FileKind::Certificate,
        ),
        (vec![0x30, 0x80, 2, 1, 3], FileKind::Binary),
        (vec![0, 1, 0xff], FileKind::Binary),
        (b"\xff\xfe-\0-\0".to_vec(), FileKind::Utf16),
        (b"\xfe\xed\xfe\xed\0\0".to_vec(), FileKind::JavaKeystore),
        (b" \r\n".to_vec(), FileKind::Empty),
        (b"0 is text".to_vec(), FileKind::Other),
    ] {
        assert_eq!(file_kind(&der), kind, "{der:02x?}");
    }
}

#[test]
fn block_kind_by_label() {
    for (label, kind) in [
        ("CERTIFICATE", FileKind::Certificate),
        ("TRUSTED CERTIFICATE", FileKind::TrustedCertificate),
        ("CERTIFICATE REQUEST", FileKind::Request),
        ("NEW CERTIFICATE REQUEST", FileKind::Request),
        ("X509 CRL", FileKind::Crl),
        ("PKCS7", FileKind::Pkcs7),
        ("PRIVATE KEY", FileKind::Key),
        ("EC PRIVATE KEY", FileKind::Key),
        ("ENCRYPTED PRIVATE KEY", FileKind::EncryptedKey),
        ("DSA PRIVATE KEY", FileKind::DsaKey),
        ("OPENSSH PRIVATE KEY", FileKind::OpenSshKey),
        ("PUBLIC KEY", FileKind::PublicKey),
        ("EC PARAMETERS", FileKind::Parameters),
        ("PGP MESSAGE", FileKind::Other),
    ] {
        let text = format!("text\n-----BEGIN {label}-----\nAA==\n-----END {label}-----\n");
        let found: Vec<_> = blocks(text.as_bytes()).iter().map(|b| b.kind).collect();
        assert_eq!(found, [kind], "{label}");
    }
}

#[test]
fn block_starts_line_or_follows_block() {
    let block = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
    for (text, count) in [
        (format!("{block}{block}\n"), 2),
        (format!("{block}\r{block}"), 2),
        (format!("a {block}"), 0),
        (format!("# {block}\n{block}"), 1),
        ("-----BEGIN ".to_owned(), 1),
        (String::new(), 0),
    ] {
        assert_eq!(blocks(text.as_bytes()).len(), count, "{text}");
    }
}

#[test]
fn every_kind_has_both_texts() {
    use FileKind as K;
    for kind in [
        K::Certificate,
        K::TrustedCertificate,
        K::Request,
        K::Crl,
        K::Pkcs7,
        K::Pkcs12,
        K::JavaKeystore,
        K::Key,
        K::EncryptedKey,
        K::DsaKey,
        K::OpenSshKey,
        K::PublicKey,
        K::Parameters,
        K::Utf16,
        K::Binary,
        K::Empty,
        K::Other,
    ] {
        for is_der in [false, true] {
            let certificate = no_certificate(kind, is_der);
            assert!(
                certificate.starts_with("there is no certificate in it"),
                "{certificate}"
            );
            let key = no_key(kind, is_der);
            let encrypted =
                key.starts_with("it is encrypted, and a key without a passphrase is required");
            assert!(
                encrypted || key.starts_with("there is no private key in it"),
                "{key}"
            );
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (file_kind(&bytes), blocks(&bytes));
    }

    #[test]
    fn broken_der_does_not_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut der = key().serialize_der();
        let at = at.index(der.len());
        der[at] = to;
        let _ = file_kind(&der);
    }
}
