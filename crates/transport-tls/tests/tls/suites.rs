//! The cipher suite of a session, and its handshake without a retry.

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::HandshakeKind;
use transport_core::{Dialer, Listener, Pending};
use transport_tls::PqMode;

use crate::pki::{self, SERVER};
use crate::rig::{files, target, Rig};
use crate::versions::connector;

const AES_256: &str = "TLS_AES_256_GCM_SHA384";

/// Returns the suite with a client that offers AES-256 first.
///
/// OpenSSL does. Checks that the handshake has no HelloRetryRequest, for a server of each mode.
async fn agreed_suite(pq: PqMode) -> &'static str {
    let (files, authority) = files();
    let server = pki::server(&files.server_config(), pq);
    let mut rig = Rig::new(&server, &pki::client(&files.client_config(), pq));
    let connector = connector(&authority, &[&TLS13]);
    let client = async {
        let io = rig.plain.dial(&target()).await.unwrap().io;
        let name = ServerName::try_from(SERVER).unwrap();
        connector.connect(name, io).await.unwrap()
    };
    let accept = async { rig.listener.accept().await?.establish().await };
    let (accepted, client) = tokio::join!(accept, client);
    let kind = client.get_ref().1.handshake_kind();
    assert_eq!(kind, Some(HandshakeKind::Full), "{pq:?}");
    accepted.unwrap().info.cipher.unwrap()
}

#[tokio::test]
async fn servers_order_selects_cheaper_suite() {
    for pq in [PqMode::Off, PqMode::Hybrid] {
        assert_ne!(agreed_suite(pq).await, AES_256, "{pq:?}");
    }
}

#[tokio::test]
async fn clients_order_counts_with_pq_required() {
    assert_eq!(agreed_suite(PqMode::Required).await, AES_256);
}

#[tokio::test]
async fn dialer_offers_cheaper_suite_first() {
    let (_server, client) = Rig::plain(PqMode::Required).connect().await;
    assert_ne!(client.info.cipher.unwrap(), AES_256);
}
