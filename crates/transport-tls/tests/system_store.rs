//! The system's trust store.
//!
//! A single test, because the process environment sets the path.
#![allow(clippy::unwrap_used)]

mod pki;

use std::error::Error;

use pki::{Authority, Files};
use transport_tls::{ClientTls, PqMode, TlsClientConfig};

#[test]
fn system_store_is_used_and_not_empty() {
    let files = Files::empty();
    let config = TlsClientConfig::default();
    let load = || ClientTls::load(&config, PqMode::Off);

    std::env::remove_var("SSL_CERT_DIR");
    std::env::set_var(
        "SSL_CERT_FILE",
        files.put("ca.pem", &Authority::new().pem()),
    );
    load().unwrap();

    std::env::set_var("SSL_CERT_FILE", files.put("empty.pem", ""));
    let error = load().unwrap_err();
    let says = "the system's trust store is empty; set tls_client.trust_store = path and \
                tls_client.ca_bundle_path";
    assert_eq!(error.source().unwrap().to_string(), says);

    std::env::set_var("SSL_CERT_FILE", files.path("none.pem"));
    let error = load().unwrap_err();
    let failure = error.source().unwrap();
    assert_eq!(failure.to_string(), says);
    assert!(failure.source().is_some(), "the cause is lost");
}
