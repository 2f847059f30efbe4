//! An onion service and its clients.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport_arti::raw::{ArtiIo, ArtiListener};
use transport_arti::transport_core::{
    Backend, Connection, Dialer, Listener, PeerAddr, Pending, Target,
};
use transport_arti::{ArtiConfig, ArtiNet, Reloadable};
use transport_testkit::Recorder;

use crate::rig::{
    config, failed, pair, pattern, reach, round_trip, serving, shared, skip, stored_in, target,
    unreachable, LONG,
};

const PORT: u16 = 8080;

/// Echoes on every connection; returns a receiver of the circuit numbers.
fn echo(mut listener: ArtiListener) -> tokio::sync::mpsc::Receiver<u64> {
    let (numbers, seen) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let pending = listener.accept().await.unwrap();
            let numbers = numbers.clone();
            tokio::spawn(async move {
                let Ok(Connection { io, info, .. }) = pending.establish().await else {
                    return;
                };
                assert_eq!(info.backend, Backend::Arti);
                let Some(PeerAddr::Circuit(number)) = info.peer else {
                    panic!("the peer address is not a circuit");
                };
                numbers.send(number).await.unwrap();
                send_back(io).await;
            });
        }
    });
    seen
}

async fn send_back(mut io: ArtiIo) {
    let mut buf = vec![0; 16 * 1024];
    while let Ok(read) = io.read(&mut buf).await {
        if read == 0 || io.write_all(&buf[..read]).await.is_err() || io.flush().await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_serves_clients() {
    if skip("service_serves_clients") {
        return;
    }
    let tor = shared().await;
    let (service, clients) = pair(&serving(tor, PORT), &config(tor)).await;
    assert!(service.onion_address().unwrap().ends_with(".onion"));
    let mut seen = echo(service.listener().unwrap());
    assert_eq!(service.listener().unwrap_err().kind(), "unsupported");
    assert_eq!(clients.listener().unwrap_err().kind(), "unsupported");
    let to = target(&service, PORT);
    let dialer = clients.dialer();

    let mut first = reach(&dialer, &to).await;
    round_trip(&mut first.io, &pattern(1 << 20)).await;
    let circuit = seen.recv().await.unwrap();
    // The same client uses the same circuit, so it is the same peer.
    let mut second = dialer.dial(&to).await.unwrap();
    round_trip(&mut second.io, b"second").await;
    assert_eq!(seen.recv().await.unwrap(), circuit);
    // An isolated stream uses another circuit.
    let token = transport_arti::IsolationToken::unique();
    let mut apart = reach(&dialer.isolated_by(token), &to).await;
    round_trip(&mut apart.io, b"apart").await;
    assert_ne!(seen.recv().await.unwrap(), circuit);

    // The service refuses another port, and the circuit stays open. The dialer needs a token, because
    // by default each port is a destination with its own circuit.
    let dialer = dialer.isolated_by(transport_arti::IsolationToken::unique());
    let mut first = reach(&dialer, &to).await;
    round_trip(&mut first.io, b"first of its circuit").await;
    let elsewhere = target(&service, PORT + 1);
    let error = failed(&dialer, &elsewhere).await;
    assert_eq!(error.kind(), "connect", "{error}");
    round_trip(&mut first.io, b"still there").await;
    // A client that tries many ports loses the circuit.
    for _ in 0..16 {
        failed(&dialer, &elsewhere).await;
    }
    let cut = timeout(LONG, async {
        while first.io.write_all(b"x").await.is_ok() && first.io.flush().await.is_ok() {
            if matches!(first.io.read(&mut [0]).await, Ok(0) | Err(_)) {
                return;
            }
        }
    });
    cut.await.expect("the circuit stays open after a port scan");
    // The client may connect again.
    round_trip(&mut reach(&dialer, &to).await.io, b"again").await;

    // A shutdown by the client ends both directions.
    let mut ended = dialer.dial(&to).await.unwrap();
    ended.io.shutdown().await.unwrap();
    let read = timeout(LONG, ended.io.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0)), "{read:?}");

    // The relays determine when the client's streams end: usually at once, sometimes after minutes.
    // An idle deadline limits this in practice.
    assert!(service.shutdown(Duration::from_secs(5)).await);
    drop(second);
}

fn identity_file(dir: &tempfile::TempDir) -> std::path::PathBuf {
    let path = dir.path().join("hs_ed25519_secret_key");
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    file.write_all(b"== ed25519v1-secret: type0 ==\0\0\0")
        .unwrap();
    let mut secret = pattern(64);
    secret[0] &= 0xf8;
    secret[31] = secret[31] & 0x7f | 0x40;
    file.write_all(&secret).unwrap();
    path
}

async fn start_stored(config: &ArtiConfig) -> ArtiNet {
    let live = Reloadable::new(config.clone());
    ArtiNet::start(&live, false, Recorder::new().observer())
        .await
        .unwrap()
}

#[tokio::test]
async fn address_follows_key_and_nickname() {
    // The address needs no network.
    let dir = tempfile::tempdir().unwrap();
    let mut config = stored_in(unreachable(dir.path()), dir.path());
    config.onion_service_mut().set_enabled(true);
    let address = |net: &ArtiNet| net.onion_address().unwrap().to_owned();
    let limit = Duration::from_secs(5);

    // With a keystore: the same address after a restart, another one under another nickname.
    let net = start_stored(&config).await;
    let first = address(&net);
    assert!(net.shutdown(limit).await);
    let net = start_stored(&config).await;
    assert_eq!(address(&net), first);
    assert!(net.shutdown(limit).await);
    config.onion_service_mut().set_nickname("other").unwrap();
    let net = start_stored(&config).await;
    assert_ne!(address(&net), first);
    assert!(net.shutdown(limit).await);

    // With amnesia: another address at each start, unless a key is configured.
    let amnesic = |config: ArtiConfig| async move {
        let (net, _) = crate::rig::start(&config).await;
        let address = net.onion_address().unwrap().to_owned();
        assert!(net.shutdown(Duration::from_secs(5)).await);
        address
    };
    assert_ne!(amnesic(config.clone()).await, amnesic(config.clone()).await);
    let path = identity_file(&dir);
    config
        .onion_service_mut()
        .set_identity_path(Some(path))
        .unwrap();
    let by_key = amnesic(config.clone()).await;
    assert_eq!(amnesic(config.clone()).await, by_key);

    // A key that differs from the keystore's is an error.
    let live = Reloadable::new(config.clone());
    let error = ArtiNet::start(&live, false, Recorder::new().observer()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), "config");
    assert!(
        error.to_string().contains("holds another identity"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restricted_service_refuses_other_clients() {
    if skip("restricted_service_refuses_other_clients") {
        return;
    }
    let tor = shared().await;
    let keys = tempfile::tempdir().unwrap();
    let key = "descriptor:x25519:ZPRRMIV6DV6SJFL7SFBSVLJ5VUNPGCDFEVZ7M23LTLVTCCXJQBKA";
    fs::write(keys.path().join("alice.auth"), key).unwrap();
    let mut config = serving(tor, PORT);
    let onion = config.onion_service_mut();
    onion
        .set_client_keys_path(Some(keys.path().into()))
        .unwrap();
    onion.set_pow(cfg!(feature = "pow"));
    let (service, client) = pair(&config, &crate::rig::config(tor)).await;
    let to: Target = target(&service, PORT);
    let dialer = client.dialer();
    // An unpublished service gives another error than one published for other clients.
    let refused = timeout(LONG, async {
        loop {
            let error = failed(&dialer, &to).await;
            if error.kind() == "arti_refused" {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let error = refused.await.expect("the service is not published");
    assert!(!error.is_retryable(), "{error}");
}
