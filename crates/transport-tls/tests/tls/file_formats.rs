//! Formats of certificate and key files.
//!
//! Some are accepted; the errors of others have the conversion command.

use rcgen::{CertificateParams, KeyPair};
use transport_tls::{ClientAuth, ClientTls, PqMode, ServerTls};
use x509_cert::der::Document;

use crate::files::{pem, refused, serves};
use crate::pki::{self, Authority, Files, Leaf, SERVER};
use crate::rig::{message, ping, Rig};

fn der_of(cert: &str) -> Vec<u8> {
    Document::from_pem(cert).unwrap().1.as_bytes().to_vec()
}

fn pair() -> (Authority, Leaf, Files) {
    let authority = Authority::new();
    let leaf = authority.leaf(&[SERVER]);
    let files = Files::new(&authority, &leaf);
    (authority, leaf, files)
}

/// Writes a key file with these bytes.
fn put_key(files: &Files, bytes: &[u8]) {
    std::fs::write(files.path("key.pem"), bytes).unwrap();
}

fn put_cert(files: &Files, bytes: &[u8]) {
    std::fs::write(files.path("cert.pem"), bytes).unwrap();
}

/// The start of a keystore (RFC 7292 §4).
///
/// Version 3, then a ContentInfo.
const PKCS12: &[u8] = &[
    0x30, 0x0f, 2, 1, 3, 0x30, 0x0a, 6, 3, 0x2a, 3, 4, 0xa0, 3, 4, 1, 0xff,
];

#[tokio::test]
async fn bom_blanks_and_text_are_accepted() {
    let (_, leaf, files) = pair();
    let forms: [fn(&str) -> String; 8] = [
        |pem| format!("\u{feff}{pem}"),
        |pem| pem.replace('\n', "\r\n"),
        |pem| pem.replace('\n', "\r"),
        |pem| pem.replace('\n', "  \n"),
        |pem| pem.replace('\n', "\t\r\n"),
        |pem| format!("    {}", pem.trim_end().replace('\n', "\n    ")),
        |pem| pem.trim_end().to_owned(),
        |pem| format!("Certificate:\n    Data:\n        Version: 3 (0x2)\n{pem}\nBag Attributes\n"),
    ];
    for form in forms {
        put_cert(&files, form(&leaf.cert).as_bytes());
        put_key(&files, form(&leaf.key_pem()).as_bytes());
        serves(&files).await;
    }
    // `cat` of files with a BOM and without a final line feed.
    let marked = format!("\u{feff}{}\u{feff}{}", leaf.cert, leaf.key_pem());
    let glued = leaf.cert.trim_end().to_owned() + leaf.key_pem().trim_end();
    for both in [marked, glued] {
        put_cert(&files, both.as_bytes());
        put_key(&files, both.as_bytes());
        serves(&files).await;
    }
}

#[tokio::test]
async fn authority_file_with_bom_is_trusted() {
    let (authority, leaf, files) = pair();
    let marked = format!(
        "\u{feff}# ours\r\n{}",
        authority.pem().replace('\n', "\r\n")
    );
    files.put("ca.pem", &marked);
    let mutual = files.mutual_config(ClientAuth::Required, &authority);
    files.put("client-ca.pem", &marked);
    let client = files.client_config_with(&leaf);
    files.put("client.pem", &format!("\u{feff}{}", leaf.cert));
    files.put("client-key.pem", &format!("\u{feff}{}", leaf.key_pem()));
    let server = pki::server(&mutual, PqMode::Off);
    let client = pki::client(&client, PqMode::Off);
    let (mut ours, mut theirs) = Rig::new(&server, &client).connect().await;
    ping(&mut ours, &mut theirs).await;
}

#[test]
fn certificate_in_other_format_is_identified() {
    let (_, leaf, files) = pair();
    let der = der_of(&leaf.cert);
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let wide: Vec<u8> = leaf
        .cert
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let utf16 = [&[0xff, 0xfe][..], &wide].concat();
    let trusted = pem("TRUSTED CERTIFICATE", &der);
    for (bytes, found, mends) in [
        (
            &der[..],
            "a certificate in DER, and PEM is required",
            "openssl x509 -inform der -in FILE",
        ),
        (
            PKCS12,
            "a PKCS#12 keystore",
            "openssl pkcs12 -in FILE -nokeys -out FILE.pem",
        ),
        (
            request.pem().unwrap().as_bytes(),
            "a certificate request (CSR)",
            "use the certificate that the authority issues",
        ),
        (request.der(), "a certificate request (CSR)", "in DER"),
        (
            trusted.as_bytes(),
            "OpenSSL's trust settings",
            "openssl x509 -in FILE -out FILE.pem",
        ),
        (
            &[leaf.cert.as_bytes(), trusted.as_bytes()].concat(),
            "OpenSSL's trust settings",
            "openssl x509",
        ),
        (
            pem("PKCS7", &[0]).as_bytes(),
            "a PKCS#7 bundle",
            "openssl pkcs7 -in FILE -print_certs",
        ),
        (pem("X509 CRL", &[0]).as_bytes(), "a CRL", ""),
        (pem("PUBLIC KEY", &[0]).as_bytes(), "a public key", ""),
        (leaf.key_pem().as_bytes(), "a private key", ""),
        (&leaf.key.serialize_der(), "a private key in DER", ""),
        (
            b"\xfe\xed\xfe\xed\0\0\0\x02",
            "a Java keystore",
            "keytool -importkeystore",
        ),
        (&utf16, "UTF-16 text", "iconv -f utf-16 -t utf-8 FILE"),
    ] {
        put_cert(&files, bytes);
        files.put_key("key.pem", &leaf.key_pem());
        let says = refused(&files);
        assert!(
            says.starts_with("tls cert read failed: tls.cert_path = "),
            "{says}"
        );
        assert!(
            says.contains(": there is no certificate in it: it holds "),
            "{says}"
        );
        assert!(says.contains(found) && says.contains(mends), "{says}");
    }
    files.put("ca.pem", &trusted);
    let says = message(&ClientTls::load(&files.client_config(), PqMode::Off).unwrap_err());
    assert!(
        says.starts_with("tls cert read failed: tls_client.ca_bundle_path = "),
        "{says}"
    );
    assert!(
        says.contains("openssl x509 -in FILE -out FILE.pem"),
        "{says}"
    );
}

#[test]
fn key_in_other_format_is_identified() {
    let (_, leaf, files) = pair();
    let (key, none) = (
        leaf.key_pem(),
        "there is no private key in it (PKCS#8, PKCS#1 or SEC1)",
    );
    let other = KeyPair::generate().unwrap().serialize_pem();
    let encrypted = pem("ENCRYPTED PRIVATE KEY", &[0]);
    for (bytes, problem, found) in [
        (
            &leaf.key.serialize_der()[..],
            none,
            "openssl pkey -inform der -in FILE -out FILE.pem",
        ),
        (
            PKCS12,
            none,
            "openssl pkcs12 -in FILE -nocerts -nodes -out FILE.pem",
        ),
        (
            encrypted.as_bytes(),
            "it is encrypted",
            "openssl pkey -in FILE -out FILE.pem",
        ),
        (leaf.cert.as_bytes(), none, "it holds a certificate"),
        (&der_of(&leaf.cert), none, "it holds a certificate in DER"),
        (
            pem("PUBLIC KEY", &[0]).as_bytes(),
            none,
            "it holds a public key",
        ),
        (
            pem("OPENSSH PRIVATE KEY", &[0]).as_bytes(),
            none,
            "ssh-keygen -p -m pem -f FILE",
        ),
        (pem("DSA PRIVATE KEY", &[0]).as_bytes(), none, "a DSA key"),
        (
            pem("EC PARAMETERS", &[0]).as_bytes(),
            none,
            "it holds parameters",
        ),
        (
            (key.clone() + &other).as_bytes(),
            "it holds 2 private keys",
            "keep only the one",
        ),
        (
            (other.clone() + &encrypted).as_bytes(),
            "it is encrypted",
            "openssl pkey",
        ),
    ] {
        put_key(&files, bytes);
        let says = refused(&files);
        let wanted = format!("tls key read failed: tls.key_path: {problem}");
        assert!(says.starts_with(&wanted) && says.contains(found), "{says}");
    }
    // Parameters before a key, and the same key twice.
    for fit in [pem("EC PARAMETERS", &[6, 1, 0]) + &key, key.clone() + &key] {
        put_key(&files, fit.as_bytes());
        ServerTls::load(&files.server_config(), PqMode::Off).unwrap();
    }
}

/// The client accepts the leaf only as the first certificate.
#[tokio::test]
async fn chain_that_starts_with_its_ca_serves() {
    let (authority, leaf, files) = pair();
    let client = files.client_config_with(&leaf);
    let mutual = files.mutual_config(ClientAuth::Required, &authority);
    for chain in [
        authority.pem() + &leaf.cert,
        authority.pem() + &leaf.cert + &Authority::new().pem(),
    ] {
        files.put("cert.pem", &chain);
        files.put("client.pem", &chain);
        let server = pki::server(&mutual, PqMode::Off);
        let client = pki::client(&client, PqMode::Off);
        let (mut ours, mut theirs) = Rig::new(&server, &client).connect().await;
        ping(&mut ours, &mut theirs).await;
    }
}

#[test]
fn chain_without_matching_key_is_refused() {
    let (authority, leaf, files) = pair();
    files.put("cert.pem", &(authority.pem() + &leaf.cert));
    files.put_key("key.pem", &authority.leaf(&[SERVER]).key_pem());
    assert_eq!(
        refused(&files),
        "tls key read failed: tls.key_path: it belongs to none of the 2 certificates of \
         tls.cert_path"
    );
}
