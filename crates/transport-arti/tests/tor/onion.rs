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
    config, failed, pair, pattern, reach, round_trip, serving, shared, skip, target, LONG,
};

const PORT: u16 = 8080;

/// Echoes on every connection, and tells the number of each circuit.
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
                    panic!("a peer that is no circuit");
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
async fn a_service_and_its_clients() {
    if skip("a_service_and_its_clients") {
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
    // The same client comes through the same circuit, and is the same peer.
    let mut second = dialer.dial(&to).await.unwrap();
    round_trip(&mut second.io, b"second").await;
    assert_eq!(seen.recv().await.unwrap(), circuit);
    // Isolated it is another.
    let token = transport_arti::IsolationToken::unique();
    let mut apart = reach(&dialer.isolated_by(token), &to).await;
    round_trip(&mut apart.io, b"apart").await;
    assert_ne!(seen.recv().await.unwrap(), circuit);

    // A port that is not ours is refused, and the circuit goes on. A token, since by default each
    // port is a destination with a circuit of its own.
    let dialer = dialer.isolated_by(transport_arti::IsolationToken::unique());
    let mut first = reach(&dialer, &to).await;
    round_trip(&mut first.io, b"first of its circuit").await;
    let elsewhere = target(&service, PORT + 1);
    let error = failed(&dialer, &elsewhere).await;
    assert_eq!(error.kind(), "connect", "{error}");
    round_trip(&mut first.io, b"still there").await;
    // Whoever tries port after port loses the circuit.
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
    cut.await.expect("a circuit that scans ports is kept");
    // It may come back.
    round_trip(&mut reach(&dialer, &to).await.io, b"again").await;

    // The peer's end is an end here.
    let mut ended = dialer.dial(&to).await.unwrap();
    ended.io.shutdown().await.unwrap();
    let read = timeout(LONG, ended.io.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0)), "{read:?}");

    // When its streams end at the clients is the relays' affair: mostly at once, sometimes after
    // minutes. Whoever cannot wait has an idle deadline.
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

async fn kept(config: &ArtiConfig) -> ArtiNet {
    let live = Reloadable::new(config.clone());
    ArtiNet::start(&live, false, Recorder::new().observer())
        .await
        .unwrap()
}

#[tokio::test]
async fn who_a_service_is() {
    // No network is needed for a name.
    let dir = tempfile::tempdir().unwrap();
    let mut config = crate::rig::nowhere(dir.path());
    config
        .set_state_dir(Some(dir.path().join("state")))
        .unwrap();
    config
        .set_cache_dir(Some(dir.path().join("cache")))
        .unwrap();
    config.onion_service_mut().set_enabled(true);
    let names = |net: &ArtiNet| net.onion_address().unwrap().to_owned();
    let second = Duration::from_secs(5);

    // Of the keystore: the same after a start anew, another under another nickname.
    let net = kept(&config).await;
    let first = names(&net);
    assert!(net.shutdown(second).await);
    let net = kept(&config).await;
    assert_eq!(names(&net), first);
    assert!(net.shutdown(second).await);
    config.onion_service_mut().set_nickname("other").unwrap();
    let net = kept(&config).await;
    assert_ne!(names(&net), first);
    assert!(net.shutdown(second).await);

    // Under amnesia: another each time, unless there is a key.
    let of = |config: ArtiConfig| async move {
        let (net, _) = crate::rig::start(&config).await;
        let name = net.onion_address().unwrap().to_owned();
        assert!(net.shutdown(Duration::from_secs(5)).await);
        name
    };
    assert_ne!(of(config.clone()).await, of(config.clone()).await);
    let path = identity_file(&dir);
    config
        .onion_service_mut()
        .set_identity_path(Some(path))
        .unwrap();
    let by_key = of(config.clone()).await;
    assert_eq!(of(config.clone()).await, by_key);

    // A key and a keystore that differ are an error.
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
async fn a_restricted_service_is_found_by_nobody_else() {
    if skip("a_restricted_service_is_found_by_nobody_else") {
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
    // Not published yet is another error than published for others.
    let told = timeout(LONG, async {
        loop {
            let error = failed(&dialer, &to).await;
            if error.kind() == "arti_refused" {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let error = told.await.expect("the service is not published");
    assert!(!error.is_retryable(), "{error}");
}
