//! Defaults, ranges and error texts of the group `tls_client`.

use transport_core::schema::{Raw, Section};

use super::*;

#[test]
fn every_default_can_be_set() {
    let mut tls = TlsClientConfig::default();
    for key in tls.keys() {
        let default = tls.get(key.path).unwrap();
        tls.set(key.path, &default.as_str().into()).unwrap();
    }
    assert_eq!(tls, TlsClientConfig::default());
    assert!(tls.check().is_empty());
    assert!(tls.get("tls_client.nothing").is_none());
}

#[test]
fn every_value_reads_back() {
    let mut tls = TlsClientConfig::default();
    for (path, value) in [
        ("tls_client.trust_store", "path"),
        ("tls_client.ca_bundle_path", "/etc/tls/ca.pem"),
        ("tls_client.crl_path", "/a/b.crl,/c/d.der"),
        ("tls_client.sni_override", "127.0.0.1"),
        ("tls_client.sni_override", "server.example"),
        ("tls_client.allow_sans", "server.example,*.a.example,::1"),
        (
            "tls_client.spki_pins",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ),
        ("tls_client.alpn", "h2"),
        ("tls_client.cert_path", "c"),
        ("tls_client.key_path", "k"),
    ] {
        tls.set(path, &value.into()).unwrap();
        assert_eq!(tls.get(path).unwrap(), value, "{path}");
    }
    assert_eq!(tls.sni_override(), Some("server.example"));
    assert!(tls.check().is_empty());
}

#[test]
fn refused_value_changes_nothing() {
    let mut tls = TlsClientConfig::default();
    for (path, value, says) in [
        ("tls_client.trust_store", "none", "must be system or path"),
        (
            "tls_client.sni_override",
            "not a name",
            "must be a DNS name or an IP address",
        ),
        (
            "tls_client.allow_sans",
            "http://[",
            "\"http://[\" can never match: '[' in a URI starts an IPv6 address, which ends with ']'",
        ),
        (
            "tls_client.spki_pins",
            "x",
            "\"x\" is not a pin: it must be a SHA-256 hash in base64 (44 characters), with or without \
             sha256/ before it",
        ),
        ("tls_client.verify", "off", "no such key"),
    ] {
        let error = tls.set(path, &value.into()).unwrap_err();
        assert_eq!(error.to_string(), says, "{path}");
    }
    let empty = Raw::List(vec![String::new()]);
    assert!(tls.set("tls_client.alpn", &empty).is_err());
    assert_eq!(tls, TlsClientConfig::default());
}

#[test]
fn conflicts_name_the_missing_key() {
    for (path, value, key) in [
        (
            "tls_client.trust_store",
            "path",
            "tls_client.ca_bundle_path",
        ),
        ("tls_client.ca_bundle_path", "ca", "tls_client.trust_store"),
        ("tls_client.cert_path", "c", "tls_client.key_path"),
        ("tls_client.key_path", "secret-k", "tls_client.cert_path"),
    ] {
        let mut tls = TlsClientConfig::default();
        tls.set(path, &value.into()).unwrap();
        let wrong = tls.check();
        assert_eq!(wrong.len(), 1, "{path}");
        assert_eq!(wrong[0].0, key);
        assert!(!format!("{tls:?}{wrong:?}").contains("secret"), "{path}");
    }
}
