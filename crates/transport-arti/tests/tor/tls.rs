//! TLS with post-quantum hybrid key exchange over an onion circuit.

use std::sync::Arc;

use transport_arti::transport_core::{KeyExchange, Listener, NoObserver, Pending};
use transport_testkit::pki::{Authority, PkiDir};
use transport_tls::raw::{TlsDialer, TlsListener};
use transport_tls::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig, TrustStore};

use crate::rig::{config, pair, reach, serving, shared, skip, target};
use transport_arti::Reloadable;

const PORT: u16 = 443;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hybrid_key_exchange_over_onion() {
    if skip("hybrid_key_exchange_over_onion") {
        return;
    }
    let tor = shared().await;
    let (service, client) = pair(&serving(tor, PORT), &config(tor)).await;
    let to = target(&service, PORT);
    let dir = PkiDir::new();
    let (server_tls, client_tls) = tls(&dir, service.onion_address().unwrap());

    let listener = service.listener().unwrap();
    let mut listener = TlsListener::over(listener, &server_tls, Arc::new(NoObserver));
    let dialer = TlsDialer::over(client.dialer(), &client_tls, Arc::new(NoObserver));
    let serve = tokio::spawn(async move {
        let mut ours = loop {
            let pending = listener.accept().await.unwrap();
            // Retried, because the client may have given up on its first dial.
            if let Ok(ours) = pending.establish().await {
                break ours;
            }
        };
        let (mut read, mut write) = tokio::io::split(&mut ours.io);
        let _ = tokio::io::copy(&mut read, &mut write).await;
        ours.info.kx
    });
    let mut theirs = reach(&dialer, &to).await;
    assert_eq!(theirs.info.kx, Some(KeyExchange::X25519MlKem768));
    crate::rig::round_trip(&mut theirs.io, b"hybrid").await;
    drop(theirs);
    assert_eq!(serve.await.unwrap(), Some(KeyExchange::X25519MlKem768));
}

fn tls(dir: &PkiDir, name: &str) -> (Reloadable<ServerTls>, Reloadable<ClientTls>) {
    let authority = Authority::new();
    dir.write_pair("server", &authority.leaf(&[name]));
    let mut server = TlsConfig::default();
    server.set_cert_path(Some(dir.path("server.pem")));
    server.set_key_path(Some(dir.path("server.key")));
    let mut client = TlsClientConfig::default();
    client.set_trust_store(TrustStore::Path);
    client.set_ca_bundle_path(Some(dir.write("ca.pem", &authority.pem())));
    (
        Reloadable::new(ServerTls::load(&server, PqMode::Required).unwrap()),
        Reloadable::new(ClientTls::load(&client, PqMode::Required).unwrap()),
    )
}
