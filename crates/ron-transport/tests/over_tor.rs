//! The facade with a Tor client whose relays all refuse.
//!
//! No traffic leaves this machine.
#![cfg(feature = "arti")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ron_transport::config::Config;
use ron_transport::{
    Endpoint, ListenAddr, ReadyReason, ReadyState, Reason, Scheme, Transport, TransportError,
};
use tokio::time::{sleep, timeout, Instant};
use transport_testkit::Recorder;

const LONG: Duration = Duration::from_secs(30);
const DEGRADED: ReadyState = ReadyState::Degraded {
    reason: ReadyReason::ArtiBootstrap,
};
const LATE: ReadyState = ReadyState::NotReady {
    reason: ReadyReason::ArtiBootstrapTimeout,
};

fn nowhere(dir: &Path) -> PathBuf {
    let identity = "0".repeat(40);
    let text = format!(
        "[tor_network]\nauthorities = {{ v3idents = [\"{identity}\"] }}\n\
         fallback_caches = [{{ rsa_identity = \"{identity}\", ed_identity = \"{}\", \
         orports = [\"127.0.0.1:1\"] }}]\n",
        "A".repeat(43)
    );
    let path = dir.join("nowhere.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A transport with amnesia, and the directory of its files.
fn transport(settings: &[(&str, &str)]) -> (Transport, Recorder, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), settings);
    let recorder = Recorder::new();
    let builder = Transport::builder().config(config);
    let transport = builder.observer(recorder.observer()).build().unwrap();
    (transport, recorder, dir)
}

fn config(dir: &Path, settings: &[(&str, &str)]) -> Config {
    let mut loader = Config::loader()
        .flag("transport.arti.config_path", nowhere(dir))
        .flag("transport.amnesia", "on");
    for (key, value) in settings {
        loader = loader.flag(format!("transport.{key}"), *value);
    }
    loader.load().unwrap().into_settings()
}

/// Counts in-memory directories with an open file of this process.
fn in_memory() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let open = open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    let one = |path: PathBuf| {
        let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
        parts.find(|part| part.starts_with("ron-transport-arti-"))
    };
    open.filter_map(one).collect::<HashSet<_>>().len()
}

/// Held by each test: they count open files of the process.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn becomes(transport: &Transport, state: ReadyState) {
    let mut readiness = transport.readiness();
    let waited = timeout(LONG, readiness.wait_for(|now| *now == state));
    waited.await.unwrap().unwrap();
}

#[tokio::test]
async fn tor_readiness_and_clean_end() {
    let _alone = ALONE.lock().await;
    let (transport, recorder, dir) =
        transport(&[("backend", "arti"), ("arti.bootstrap_timeout", "1s")]);
    // The transport binds nothing, and cannot dial yet.
    assert_eq!(*transport.readiness().borrow(), DEGRADED);
    assert_eq!((transport.tor_progress(), in_memory()), (None, 0));
    let to: Endpoint = "tor://example.org:443".parse().unwrap();
    let refused = Instant::now();
    let error = transport.dial(&to).await.unwrap_err();
    assert!(matches!(error, TransportError::ArtiBootstrap), "{error}");
    assert!(refused.elapsed() < Duration::from_secs(5));
    assert!(!error.to_string().contains("example"), "{error}");
    assert_eq!(in_memory(), 1);
    assert!(transport.tor_progress().unwrap() < 1.0);
    becomes(&transport, LATE).await;
    // One for the dial and one for the late bootstrap.
    assert_eq!(recorder.snapshot().rejected(Reason::ArtiBootstrap), 2);

    // Only Tor isolates by token.
    let token = ron_transport::arti::IsolationToken::unique();
    let error = transport.dial_isolated(&to, token).await.unwrap_err();
    assert!(matches!(error, TransportError::ArtiBootstrap), "{error}");
    let elsewhere: Endpoint = "tcp://127.0.0.1:1".parse().unwrap();
    let error = transport
        .dial_isolated(&elsewhere, token)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "unsupported");

    // A reload reaches the client: further dials wait.
    let waits = [
        ("backend", "arti"),
        ("arti.bootstrap_timeout", "1s"),
        ("arti.dial_while_bootstrapping", "wait"),
        ("dial_timeout", "200ms"),
    ];
    transport.reload(config(dir.path(), &waits)).unwrap();
    let error = transport.dial(&to).await.unwrap_err();
    assert_eq!(error.kind(), "timeout", "{error}");

    transport.shutdown(Duration::ZERO).await;
    assert_eq!(in_memory(), 0);
    let stopped = ReadyState::NotReady {
        reason: ReadyReason::Stopped,
    };
    assert_eq!(*transport.readiness().borrow(), stopped);
    let error = transport.dial(&to).await.unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error}");
}

#[tokio::test]
async fn onion_listener_hides_its_name() {
    let _alone = ALONE.lock().await;
    let onion = [("backend", "arti"), ("arti.onion_service.enabled", "on")];
    let (transport, _, _dir) = transport(&onion);
    let addr = transport.listen().await.unwrap();
    assert_eq!(*transport.readiness().borrow(), DEGRADED);
    let ListenAddr::Onion(name) = &addr else {
        panic!("{addr}");
    };
    assert!(name.as_str().ends_with(".onion"), "{}", name.as_str());
    assert_eq!(
        (addr.socket_addr(), addr.to_string().as_str()),
        (None, "onion service")
    );
    assert!(!format!("{addr:?}").contains(name.as_str()));
    // No client connects; the shutdown does not wait for one.
    let serving = transport.serve(|conn| async move { drop(conn) });
    let ended = async { tokio::join!(serving, transport.shutdown(Duration::ZERO)) };
    timeout(LONG, ended).await.unwrap().0.unwrap();
    assert_eq!(in_memory(), 0);
}

#[tokio::test]
async fn tor_beside_tcp_counts_once_used() {
    let _alone = ALONE.lock().await;
    let (transport, _, _dir) = transport(&[("bind_addr", "127.0.0.1:0")]);
    transport.listen().await.unwrap();
    assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
    transport.prepare(Scheme::TlsOverTor).await.unwrap();
    assert_eq!(*transport.readiness().borrow(), DEGRADED);
    assert_eq!(in_memory(), 1);
    // A client that is dropped without a shutdown ends by itself.
    drop(transport);
    timeout(LONG, async {
        while in_memory() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn readable_identity_key_refused() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("hs_ed25519_secret_key");
    std::fs::write(&key, [0; 96]).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (transport, _, _dir) = transport(&[
        ("backend", "arti"),
        ("arti.onion_service.enabled", "on"),
        ("arti.onion_service.identity_path", key.to_str().unwrap()),
    ]);
    let error = transport.listen().await.unwrap_err();
    assert!(matches!(error, TransportError::Config { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("insecure permissions"), "{text}");
    assert!(!text.contains(dir.path().to_str().unwrap()), "{text}");
    let failed = ReadyState::NotReady {
        reason: ReadyReason::BindFailed,
    };
    assert_eq!(*transport.readiness().borrow(), failed);
}
