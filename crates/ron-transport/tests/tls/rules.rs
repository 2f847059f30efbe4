//! The rules for peers: allowed names and pinned keys.

use ron_transport::TlsErrorKind;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn reload_narrows_dialed_servers() {
    let pki = Pki::new();
    let served = pki
        .serving(&[("tls_client.allow_sans", "first.example")])
        .await;
    assert!(echoes(&mut served.dial().await).await);
    let pin = format!("sha256/{}=", "A".repeat(43));
    for (key, value, want) in [
        ("tls_client.allow_sans", "localhost", None),
        (
            "tls_client.allow_sans",
            "spiffe://td/*",
            Some(TlsErrorKind::NotAllowed),
        ),
        (
            "tls_client.spki_pins",
            &pin,
            Some(TlsErrorKind::PinMismatch),
        ),
    ] {
        served
            .transport
            .reload(pki.config(&[(key, value)]))
            .unwrap();
        let dialed = served.transport.dial(&served.to).await;
        let refused = dialed.err().and_then(|error| error.tls_kind());
        assert_eq!(refused, want, "{key} = {value}");
    }
}
