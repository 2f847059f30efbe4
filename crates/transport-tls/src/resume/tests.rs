//! Session resumption over months, with clocks set by the test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use rcgen::date_time_ymd;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::time_provider::TimeProvider;
use transport_core::{
    Backend, Dialer, Listener, NoObserver, PeerIdentity, Pending, Target, TlsErrorKind,
};
use transport_testkit::{MemoryDialer, MemoryListener};

use self::chain::{Ca, Cert};
use crate::raw::{TlsDialer, TlsListener};
use crate::{
    ClientAuth, ClientTls, PqMode, Reloadable, ServerTls, TlsClientConfig, TlsConfig, TrustStore,
};

#[path = "../../tests/pki/chain.rs"]
mod chain;
mod narrowed;
mod replicas;

/// 2030-01-01T00:00:00Z.
const START: u64 = 1_893_456_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A clock set by the test.
#[derive(Debug, Clone)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    fn set(&self, after: u64) {
        self.0.store(START + after, Ordering::Relaxed);
    }

    fn provider(&self) -> Arc<dyn TimeProvider> {
        Arc::new(self.clone())
    }
}

impl TimeProvider for TestClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = Duration::from_secs(self.0.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(seconds))
    }
}

/// The files of both ends, with a clock for each.
struct Fixture {
    dir: TempDir,
    server: TestClock,
    client: TestClock,
    root: Ca,
}

impl Fixture {
    fn new() -> Self {
        let world = Self {
            dir: TempDir::new().unwrap(),
            server: TestClock::new(),
            client: TestClock::new(),
            root: Ca::root("root"),
        };
        world.put("ca.pem", &world.root.pem());
        let long = chain::leaf(&world.root, "server.example", 1, &[], |_| {});
        world.put_cert("server", &long);
        world.put_cert(
            "client",
            &chain::leaf(&world.root, "client.example", 2, &[], |_| {}),
        );
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn put_cert(&self, name: &str, cert: &Cert) {
        self.put(&format!("{name}.pem"), &cert.cert);
        self.put(&format!("{name}.key"), &cert.key_pem());
    }

    fn server_config(&self) -> TlsConfig {
        let mut config = TlsConfig::default();
        config
            .set_cert_path(Some(self.path("server.pem")))
            .set_key_path(Some(self.path("server.key")))
            .set_client_auth(ClientAuth::Required)
            .set_client_ca_path(Some(self.path("ca.pem")));
        config
    }

    /// Starts a server with these settings.
    fn serve(&self, config: &TlsConfig) -> TestServer {
        let (raw, dialer) = MemoryListener::bind(Backend::Tcp);
        let tls = ServerTls::load_at(config, PqMode::Off, self.server.provider()).unwrap();
        let live = Reloadable::new(tls);
        TestServer {
            listener: TlsListener::over(raw, &live, Arc::new(NoObserver)),
            raw: dialer,
            live,
        }
    }

    fn client(&self) -> Reloadable<ClientTls> {
        self.client_with(|_| {})
    }

    fn client_config(&self) -> TlsClientConfig {
        let mut config = TlsClientConfig::default();
        config
            .set_trust_store(TrustStore::Path)
            .set_ca_bundle_path(Some(self.path("ca.pem")))
            .set_cert_path(Some(self.path("client.pem")))
            .set_key_path(Some(self.path("client.key")));
        config
    }

    fn client_with(&self, tune: impl FnOnce(&mut TlsClientConfig)) -> Reloadable<ClientTls> {
        let mut config = self.client_config();
        tune(&mut config);
        Reloadable::new(ClientTls::load_at(&config, PqMode::Off, self.client.provider()).unwrap())
    }
}

struct TestServer {
    listener: TlsListener<MemoryListener>,
    raw: MemoryDialer,
    live: Reloadable<ServerTls>,
}

impl TestServer {
    /// Connects once, sends a byte, and returns whether the session resumed.
    async fn meet(&mut self, client: &Reloadable<ClientTls>) -> Result<bool, TlsErrorKind> {
        let dialer = TlsDialer::over(self.raw.clone(), client, Arc::new(NoObserver));
        let target = Target::host("server.example", 1).unwrap();
        let accept = async { self.listener.accept().await?.establish().await };
        let (mut ours, mut theirs) = match tokio::join!(accept, dialer.dial(&target)) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(error), Ok(_)) | (_, Err(error)) => return Err(error.tls_kind().unwrap()),
        };
        ours.io.write_all(b"1").await.unwrap();
        ours.io.flush().await.unwrap();
        theirs.io.read_exact(&mut [0]).await.unwrap();
        assert_eq!(ours.info.resumed, theirs.info.resumed);
        // Tickets and caches keep the identity.
        for info in [&ours.info, &theirs.info] {
            assert!(matches!(info.identity, PeerIdentity::Verified(_)));
        }
        Ok(ours.info.resumed)
    }
}

/// An intermediate that expires on the second day.
///
/// Its leaf expires later.
fn short_intermediate(world: &Fixture, san: &str) -> Cert {
    let sub = chain::sub(&world.root, "intermediate", 3, |params| {
        params.not_after = date_time_ymd(2030, 1, 2);
    });
    chain::leaf(&sub, san, 4, &[&sub], |_| {})
}

#[tokio::test]
async fn expired_client_intermediate_is_not_resumed() {
    let world = Fixture::new();
    world.put_cert("client", &short_intermediate(&world, "client.example"));
    let (mut server, client) = (world.serve(&world.server_config()), world.client());
    world.server.set(DAY - 2 * HOUR);
    assert_eq!(server.meet(&client).await, Ok(false));
    world.server.set(DAY - HOUR);
    assert_eq!(server.meet(&client).await, Ok(true));
    world.server.set(DAY + HOUR);
    assert_eq!(server.meet(&client).await, Err(TlsErrorKind::Expired));
}

/// A certificate sent beside the chain limits the session too.
#[tokio::test]
async fn expired_extra_certificate_is_not_resumed() {
    let world = Fixture::new();
    let extra = chain::sub(&world.root, "extra", 5, |params| {
        params.not_after = date_time_ymd(2030, 1, 2);
    });
    world.put_cert(
        "client",
        &chain::leaf(&world.root, "c.example", 6, &[&extra], |_| {}),
    );
    let (mut server, client) = (world.serve(&world.server_config()), world.client());
    world.server.set(DAY - HOUR);
    assert_eq!(server.meet(&client).await, Ok(false));
    assert_eq!(server.meet(&client).await, Ok(true));
    world.server.set(DAY + HOUR);
    assert_eq!(server.meet(&client).await, Ok(false));
    assert_eq!(
        server.meet(&client).await,
        Ok(false),
        "no ticket was issued"
    );
}

#[tokio::test]
async fn server_session_ends_after_twelve_hours() {
    let world = Fixture::new();
    let (mut server, client) = (world.serve(&world.server_config()), world.client());
    let mut resumed = Vec::new();
    for hours in [0, 5, 10, 13, 18, 24, 26] {
        world.server.set(hours * HOUR);
        resumed.push(server.meet(&client).await.unwrap());
    }
    // Full handshakes at 13 h and at 26 h: twelve hours after the last full one.
    assert_eq!(resumed, [false, true, true, false, true, true, false]);
}

#[tokio::test]
async fn expired_server_intermediate_is_not_resumed() {
    let world = Fixture::new();
    world.put_cert("server", &short_intermediate(&world, "server.example"));
    let (mut server, client) = (world.serve(&world.server_config()), world.client());
    world.client.set(DAY - HOUR);
    assert_eq!(server.meet(&client).await, Ok(false));
    assert_eq!(server.meet(&client).await, Ok(true));
    world.client.set(DAY + HOUR);
    assert_eq!(server.meet(&client).await, Err(TlsErrorKind::Expired));
}

#[tokio::test]
async fn client_session_ends_after_twelve_hours() {
    let world = Fixture::new();
    let (mut server, client) = (world.serve(&world.server_config()), world.client());
    let mut resumed = Vec::new();
    for hours in [0, 5, 10, 13, 18] {
        world.client.set(hours * HOUR);
        resumed.push(server.meet(&client).await.unwrap());
    }
    assert_eq!(resumed, [false, true, true, false, true]);
}

#[tokio::test]
async fn expired_crl_prevents_resumption() {
    let world = Fixture::new();
    // Valid from 2029 to 2031; the end of 2030 is close enough.
    let crl = world.put("root.crl", &world.root.crl((2029, 2031), &[]).pem);
    let mut config = world.server_config();
    config.set_crl_path(vec![crl.clone()]).unwrap();
    let mut server = world.serve(&config);
    let client = world.client();
    world.server.set(365 * DAY - HOUR);
    assert_eq!(server.meet(&client).await, Ok(false));
    assert_eq!(server.meet(&client).await, Ok(true));
    world.server.set(365 * DAY);
    assert_eq!(server.meet(&client).await, Err(TlsErrorKind::CrlExpired));

    let client = world.client_with(|config| {
        config.set_crl_path(vec![crl]).unwrap();
    });
    let mut server = world.serve(&world.server_config());
    world.client.set(365 * DAY - HOUR);
    assert_eq!(server.meet(&client).await, Ok(false));
    assert_eq!(server.meet(&client).await, Ok(true));
    world.client.set(365 * DAY);
    assert_eq!(server.meet(&client).await, Err(TlsErrorKind::CrlExpired));
}
