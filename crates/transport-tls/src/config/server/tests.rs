//! Defaults, ranges and error texts of the group `tls`.

use transport_core::schema::{Raw, Section};

use super::*;

const PIN: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn every_default_can_be_set() {
    let mut tls = TlsConfig::default();
    for key in tls.keys() {
        let default = tls.get(key.path).unwrap();
        tls.set(key.path, &default.as_str().into()).unwrap();
    }
    assert_eq!(tls, TlsConfig::default());
    assert!(tls.check().is_empty());
    assert!(tls.get("tls.nothing").is_none());
}

#[test]
fn every_value_reads_back() {
    let mut tls = TlsConfig::default();
    for (path, value) in [
        ("tls.enabled", "true"),
        ("tls.cert_path", "/etc/tls/cert.pem"),
        ("tls.key_path", "/etc/tls/key.pem"),
        ("tls.client_ca_path", "/etc/tls/ca.pem"),
        ("tls.client_auth", "required"),
        ("tls.allow_sans", "spiffe://a/b,client.example"),
        ("tls.spki_pins", PIN),
        ("tls.crl_path", "/a/b.crl,/c/d.der"),
        ("tls.ticket_keys_path", "/etc/tls/tickets"),
        ("tls.alpn", "h2,oap/1"),
    ] {
        tls.set(path, &value.into()).unwrap();
        assert_eq!(tls.get(path).unwrap(), value, "{path}");
    }
    assert_eq!(tls.enabled(), Some(true));
    assert_eq!(tls.client_auth(), ClientAuth::Required);
    assert_eq!(tls.alpn(), ["h2", "oap/1"]);
    assert!(tls.check().is_empty());
}

#[test]
fn refused_value_changes_nothing() {
    let long = "x".repeat(256);
    let mut tls = TlsConfig::default();
    for (path, value, says) in [
        ("tls.enabled", "yes", "expected on, off, true or false"),
        (
            "tls.client_auth",
            "always",
            "must be off, optional or required",
        ),
        (
            "tls.alpn",
            long.as_str(),
            "must be up to 32 names of 1 to 255 bytes, most preferred first",
        ),
        (
            "tls.allow_sans",
            "a.example,spiffe://",
            "\"spiffe://\" can never match: a SPIFFE ID needs a trust domain after spiffe://",
        ),
        (
            "tls.spki_pins",
            "sha256/AAAA",
            "\"sha256/AAAA\" is not a pin: it must be a SHA-256 hash in base64 (44 characters), with or \
             without sha256/ before it",
        ),
        ("tls.nothing", "1", "no such key"),
    ] {
        let error = tls.set(path, &value.into()).unwrap_err();
        assert_eq!(error.to_string(), says, "{path}");
    }
    let empty = Raw::List(vec![String::new()]);
    assert!(tls.set("tls.alpn", &empty).is_err());
    assert!(tls.set("tls.allow_sans", &empty).is_err());
    assert!(tls.set("tls.crl_path", &empty).is_err());
    assert!(tls.set_alpn(vec!["x".repeat(255); 32]).is_ok());
    assert!(tls.set_alpn(vec!["x".repeat(255); 33]).is_err());
    tls.set_alpn(Vec::new()).unwrap();
    assert_eq!(tls, TlsConfig::default());
}

fn conflicts(pairs: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let mut tls = TlsConfig::default();
    for (path, value) in pairs {
        tls.set(path, &(*value).into()).unwrap();
    }
    let wrong = tls.check().into_iter();
    wrong.map(|(key, error)| (key, error.to_string())).collect()
}

#[test]
fn conflicts_name_the_missing_key() {
    for (pairs, key, says) in [
        (
            &[("tls.cert_path", "c")][..],
            "tls.key_path",
            "is needed with tls.cert_path",
        ),
        (
            &[("tls.key_path", "k")],
            "tls.cert_path",
            "is needed with tls.key_path",
        ),
        (
            &[("tls.client_auth", "optional")],
            "tls.client_ca_path",
            "is needed unless tls.client_auth is off",
        ),
        (
            &[("tls.allow_sans", "a")],
            "tls.allow_sans",
            "needs tls.client_auth to be optional or required: without a certificate a client has \
             no name",
        ),
        (
            &[("tls.spki_pins", PIN)],
            "tls.spki_pins",
            "needs tls.client_auth to be optional or required: without a certificate a client has \
             no key",
        ),
    ] {
        assert_eq!(conflicts(pairs), [(key, says.to_owned())]);
    }
}

#[test]
fn debug_hides_key_paths() {
    let secret = "/where/nobody/looks";
    let mut tls = TlsConfig::default();
    tls.set("tls.key_path", &secret.into()).unwrap();
    tls.set("tls.ticket_keys_path", &secret.into()).unwrap();
    assert_eq!(tls.key_path(), Some(Path::new(secret)));
    assert!(!format!("{tls:?}{:?}", tls.check()).contains("nobody"));
}
