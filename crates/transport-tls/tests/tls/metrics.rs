//! Connection info and metrics of a handshake.

use transport_core::{Backend, KeyExchange, TlsHandshake};
use transport_tls::{ClientAuth, PqMode};

use crate::pki;
use crate::rig::{files, Rig};

#[tokio::test]
async fn handshake_is_described_on_both_ends() {
    let (files, _) = files();
    let (mut server, mut client) = (files.server_config(), files.client_config());
    server.set_alpn(vec!["h2".into(), "oap/1".into()]).unwrap();
    client.set_alpn(vec!["oap/1".into(), "h2".into()]).unwrap();
    let server = pki::server(&server, PqMode::Off);
    let client = pki::client(&client, PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let (ours, theirs) = rig.connect().await;
    for end in [&ours.info, &theirs.info] {
        assert_eq!(end.backend, Backend::Tls);
        assert_eq!(
            end.alpn.as_deref(),
            Some(&b"h2"[..]),
            "the server prefers it"
        );
        assert_eq!(end.kx, Some(KeyExchange::X25519));
        assert!(!end.resumed);
        assert!(end.steps.handshake().is_some());
    }
    assert!(ours.info.peer.is_some(), "the raw peer is kept");
}

#[tokio::test]
async fn handshake_is_counted_once_per_end() {
    let mut rig = Rig::plain(PqMode::Hybrid);
    let _open = rig.connect().await;
    let good = TlsHandshake {
        kx: KeyExchange::X25519MlKem768,
        resumed: false,
        ok: true,
    };
    assert_eq!(rig.accepts.snapshot().tls_handshakes, [good]);
    assert_eq!(rig.dials.snapshot().tls_handshakes, [good]);
    rig.send_plain(b"GET / HTTP/1.1\r\n\r\n").await;
    let failed = TlsHandshake {
        kx: KeyExchange::None,
        resumed: false,
        ok: false,
    };
    assert_eq!(rig.accepts.snapshot().tls_handshakes, [good, failed]);
    assert_eq!(rig.dials.snapshot().tls_handshakes, [good]);
}

/// A client that is refused after the key exchange.
#[tokio::test]
async fn late_failure_is_counted_with_group() {
    let (files, authority) = files();
    let mutual = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&mutual, PqMode::Hybrid);
    for (pq, kx) in [
        (PqMode::Off, KeyExchange::X25519),
        (PqMode::Hybrid, KeyExchange::X25519MlKem768),
    ] {
        let client = pki::client(&files.client_config(), pq);
        let mut rig = Rig::new(&server, &client);
        rig.handshake().await.0.unwrap_err();
        let failed = TlsHandshake {
            kx,
            resumed: false,
            ok: false,
        };
        assert_eq!(rig.accepts.snapshot().tls_handshakes, [failed]);
    }
}

/// A server that is refused by its client after the key exchange.
#[tokio::test]
async fn refused_server_is_counted_with_group() {
    let (files, _) = files();
    let server = pki::server(&files.server_config(), PqMode::Hybrid);
    files.put("ca.pem", &pki::Authority::new().pem());
    let client = pki::client(&files.client_config(), PqMode::Hybrid);
    let mut rig = Rig::new(&server, &client);
    let (server, client) = rig.handshake().await;
    assert!(server.is_err() && client.is_err());
    let failed = TlsHandshake {
        kx: KeyExchange::X25519MlKem768,
        resumed: false,
        ok: false,
    };
    assert_eq!(rig.accepts.snapshot().tls_handshakes, [failed]);
    assert_eq!(rig.dials.snapshot().tls_handshakes, [failed]);
}
