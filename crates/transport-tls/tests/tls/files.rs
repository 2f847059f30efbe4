//! Files of a listener, and the errors for wrong ones.

use std::os::unix::fs::symlink;
use std::process::Command;

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use transport_core::TransportError;
use transport_tls::{ClientAuth, ClientTls, PqMode, Reloadable, ServerTls, TlsConfig};
use x509_cert::der::asn1::{AnyRef, OctetStringRef};
use x509_cert::der::{Decode, Reader, SliceReader};

use crate::pki::{self, set_mode, Authority, Files, Leaf, SERVER};
use crate::rig::{files, message, ping, Rig};

/// Returns the PKCS#1 or SEC1 key inside of a PKCS#8 key (RFC 5958 §2).
fn inner_key(pkcs8: &[u8]) -> Vec<u8> {
    let mut reader = SliceReader::new(pkcs8).unwrap();
    let inner = reader.sequence(|fields| {
        u8::decode(fields)?;
        AnyRef::decode(fields)?;
        let key = OctetStringRef::decode(fields)?.as_bytes().to_vec();
        while !fields.is_finished() {
            AnyRef::decode(fields)?;
        }
        Ok(key)
    });
    inner.unwrap()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let body = base64(der);
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (at, chunk) in bytes.chunks(3).enumerate() {
        let word = (0..3).fold(0_u32, |word, i| {
            word << 8 | u32::from(chunk.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * i) & 63).unwrap();
            out.push(if i > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[digit])
            });
        }
        if at % 16 == 15 {
            out.push('\n');
        }
    }
    out + "\n"
}

fn load(files: &Files) -> Result<ServerTls, TransportError> {
    ServerTls::load(&files.server_config(), PqMode::Off)
}

pub(crate) fn refused(files: &Files) -> String {
    let says = message(&load(files).unwrap_err());
    assert!(!says.contains("key.pem"), "the key's path is told: {says}");
    says
}

pub(crate) async fn serves(files: &Files) {
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (mut ours, mut theirs) = Rig::new(&server, &client).connect().await;
    ping(&mut ours, &mut theirs).await;
}

#[tokio::test]
async fn every_key_type_and_format_serves() {
    let authority = Authority::new();
    for (kind, label) in [
        (&PKCS_RSA_SHA256, Some("RSA PRIVATE KEY")),
        (&PKCS_ECDSA_P256_SHA256, Some("EC PRIVATE KEY")),
        (&PKCS_ECDSA_P384_SHA384, Some("EC PRIVATE KEY")),
        (&PKCS_ED25519, None),
    ] {
        let leaf = authority.leaf_with(&[SERVER], kind, |_| {});
        let files = Files::new(&authority, &leaf);
        serves(&files).await;
        if let Some(label) = label {
            let older = pem(label, &inner_key(leaf.key.serialized_der()));
            files.put_key("key.pem", &older);
            serves(&files).await;
        }
    }
}

#[tokio::test]
async fn pair_and_chain_in_one_file() {
    let authority = Authority::new();
    let leaf = authority.leaf(&[SERVER]);
    let files = Files::new(&authority, &leaf);
    let both = format!(
        "a comment\n{}{}{}",
        leaf.key_pem(),
        leaf.cert,
        authority.pem()
    );
    files.put_key("key.pem", &both);
    files.put_key("cert.pem", &both);
    serves(&files).await;
}

#[test]
fn world_readable_key_is_refused() {
    let (files, _) = files();
    let key = files.path("key.pem");
    for mode in [0o640, 0o604, 0o644, 0o660, 0o610] {
        set_mode(&key, mode);
        let says = refused(&files);
        assert!(says.starts_with("insecure permissions: tls.key_path: "));
        assert!(says.contains(&format!("{mode:04o}")), "{says}");
    }
    for mode in [0o600, 0o400] {
        set_mode(&key, mode);
        load(&files).unwrap();
    }
}

#[test]
fn mode_of_symlink_target_is_checked() {
    let (files, authority) = files();
    let leaf = authority.leaf(&[SERVER]);
    files.put("cert.pem", &leaf.cert);
    let secret = files.put_key("secret", &leaf.key_pem());
    let key = files.path("key.pem");
    std::fs::remove_file(&key).unwrap();
    symlink(&secret, &key).unwrap();
    set_mode(&secret, 0o400);
    load(&files).unwrap();
    set_mode(&secret, 0o440);
    assert!(refused(&files).starts_with("insecure permissions"));
}

#[test]
fn wrong_files_are_identified() {
    let (files, authority) = files();
    let leaf = authority.leaf(&[SERVER]);
    let good = |files: &Files| files.put_pair(&leaf);

    good(&files);
    files.put_key("key.pem", &authority.leaf(&[SERVER]).key_pem());
    assert_eq!(
        refused(&files),
        "tls key read failed: tls.key_path: it does not belong to the certificate of tls.cert_path"
    );
    for (text, says) in [
        ("", "there is no private key in it (PKCS#8, PKCS#1 or SEC1)"),
        (
            &leaf.cert,
            "there is no private key in it (PKCS#8, PKCS#1 or SEC1)",
        ),
        ("-----BEGIN PRIVATE KEY-----\n", "it is not valid PEM"),
        (
            &pem("PRIVATE KEY", b"no key"),
            "the key type is not supported",
        ),
    ] {
        files.put_key("key.pem", text);
        let wanted = format!("tls key read failed: tls.key_path: {says}");
        assert!(refused(&files).starts_with(&wanted), "{}", refused(&files));
    }
    std::fs::remove_file(files.path("key.pem")).unwrap();
    assert!(refused(&files).starts_with("tls key read failed: tls.key_path: No such file"));

    good(&files);
    for (text, says) in [
        ("", "there is no certificate in it: it holds no data"),
        (
            leaf.key_pem().as_str(),
            "there is no certificate in it: it holds a private key",
        ),
        (
            &pem("CERTIFICATE", b"none"),
            "certificate 1 in it cannot be parsed",
        ),
        (
            &(leaf.cert.clone() + &pem("CERTIFICATE", b"none")),
            "certificate 2 in it cannot be parsed",
        ),
    ] {
        files.put("cert.pem", text);
        let path = files.path("cert.pem");
        let wanted = format!(
            "tls cert read failed: tls.cert_path = {}: {says}",
            path.display()
        );
        assert_eq!(refused(&files), wanted);
    }
    std::fs::remove_file(files.path("cert.pem")).unwrap();
    assert!(refused(&files).starts_with("tls cert read failed: tls.cert_path = "));
}

#[test]
fn non_file_or_oversized_file_is_not_read() {
    let (files, _) = files();
    let key = files.path("key.pem");
    std::fs::File::options()
        .write(true)
        .open(&key)
        .unwrap()
        .set_len((1 << 20) + 1)
        .unwrap();
    assert!(refused(&files).ends_with("it is longer than 1 MiB"));
    std::fs::remove_file(&key).unwrap();
    std::fs::create_dir(&key).unwrap();
    assert!(refused(&files).ends_with("it is not a regular file"));
    std::fs::remove_dir(&key).unwrap();
    // Opening a pipe would wait for a writer.
    let made = Command::new("mkfifo").arg(&key).status().unwrap();
    assert!(made.success());
    assert!(refused(&files).ends_with("it is not a regular file"));
}

#[test]
fn conflicting_settings_are_refused() {
    let (files, authority) = files();
    let none = ServerTls::load(&TlsConfig::default(), PqMode::Off).unwrap_err();
    assert_eq!(
        message(&none),
        "tls cert read failed: tls.cert_path: it is required to listen"
    );
    let mut half = TlsConfig::default();
    half.set_cert_path(Some(files.path("cert.pem")));
    let half = ServerTls::load(&half, PqMode::Off).unwrap_err();
    assert_eq!(
        message(&half),
        "tls key read failed: tls.key_path: it is required to listen"
    );
    let mut lone = files.server_config();
    lone.set_client_auth(ClientAuth::Required);
    let lone = ServerTls::load(&lone, PqMode::Off).unwrap_err();
    assert!(message(&lone).starts_with("tls.client_ca_path is needed"));
    let mutual = files.mutual_config(ClientAuth::Required, &authority);
    files.put("client-ca.pem", "none");
    let empty = ServerTls::load(&mutual, PqMode::Off).unwrap_err();
    assert!(message(&empty).contains("tls.client_ca_path"));
}

#[test]
fn client_needs_authorities_and_own_key() {
    let (files, authority) = files();
    let leaf: Leaf = authority.leaf(&["client.example"]);
    let config = files.client_config_with(&leaf);
    ClientTls::load(&config, PqMode::Off).unwrap();
    set_mode(&files.path("client-key.pem"), 0o644);
    let open = ClientTls::load(&config, PqMode::Off).unwrap_err();
    assert!(message(&open).starts_with("insecure permissions: tls_client.key_path: "));
    files.put("ca.pem", "");
    let none = ClientTls::load(&files.client_config(), PqMode::Off).unwrap_err();
    assert!(message(&none).starts_with("tls cert read failed: tls_client.ca_bundle_path = "));
}

#[test]
fn not_after_is_reported() {
    let authority = Authority::new();
    let leaf = authority.leaf_with(&[SERVER], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    });
    let files = Files::new(&authority, &leaf);
    let not_after = load(&files).unwrap().not_after().unwrap();
    let seconds = not_after.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(seconds.as_secs(), 1_893_456_000);
}

#[tokio::test]
async fn pair_from_memory_serves() {
    let authority = Authority::new();
    let leaf = authority.leaf(&[SERVER]);
    let files = Files::empty();
    files.put("ca.pem", &authority.pem());
    let chain = vec![der_of(&leaf.cert)];
    let key = transport_tls::rustls::pki_types::PrivatePkcs8KeyDer::from(leaf.key.serialize_der());
    let server =
        ServerTls::from_pair(chain, key.into(), &TlsConfig::default(), PqMode::Off).unwrap();
    let live = Reloadable::new(server);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (mut ours, mut theirs) = Rig::new(&live, &client).connect().await;
    ping(&mut ours, &mut theirs).await;
    assert!(!ServerTls::refresh(&live).unwrap());
}

fn der_of(pem: &str) -> transport_tls::rustls::pki_types::CertificateDer<'static> {
    use transport_tls::rustls::pki_types::pem::PemObject;
    transport_tls::rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Writes a leaf with copies of the authority, which verification does not need.
fn long_chain(authority: &Authority, copies: usize) -> Files {
    let leaf = authority.leaf(&[SERVER]);
    let files = Files::new(authority, &leaf);
    let chain = leaf.cert.clone() + &authority.pem().repeat(copies);
    files.put("cert.pem", &chain);
    files
}

/// A chain that no client accepts is refused when it is loaded.
#[tokio::test]
async fn chain_longer_than_peers_accept_is_refused() {
    let authority = Authority::new();
    serves(&long_chain(&authority, 100)).await;
    let says = refused(&long_chain(&authority, 1500));
    assert!(says.contains("tls.cert_path"), "{says}");
    assert!(says.contains("1501 certificates"), "{says}");
    assert!(says.contains("at most 65535"), "{says}");
}
