//! The private network and clients on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ron_tornet::TorNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use transport_arti::transport_core::{Connection, Dialer, Io, ReadyState, Target, TransportError};
use transport_arti::{ArtiConfig, ArtiNet, Reloadable};
use transport_testkit::Recorder;

/// Far beyond what anything takes on loopback, a debug build and a busy machine included.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Whether the test has to be left out; says so.
pub(crate) use ron_tornet::skip;

/// Arti's configuration file for a network, within its directory.
pub(crate) fn config_path(net: &TorNet) -> PathBuf {
    let path = net.dir().join("client.toml");
    if !path.exists() {
        // In place at once: tests of one process share it.
        let draft = tempfile::NamedTempFile::new_in(net.dir()).unwrap();
        fs::write(draft.path(), net.client_config()).unwrap();
        draft.persist(&path).unwrap();
    }
    path
}

/// The shared network; the first call takes half a minute.
pub(crate) async fn shared() -> &'static TorNet {
    tokio::task::spawn_blocking(TorNet::shared).await.unwrap()
}

pub(crate) fn config(net: &TorNet) -> ArtiConfig {
    let mut config = ArtiConfig::default();
    config.set_config_path(Some(config_path(net))).unwrap();
    config
}

/// A network of nobody: what is dialed refuses, and nothing leaves this machine.
pub(crate) fn nowhere(dir: &Path) -> ArtiConfig {
    let identity = "0".repeat(40);
    let text = format!(
        "[tor_network]\nauthorities = {{ v3idents = [\"{identity}\"] }}\n\
         fallback_caches = [{{ rsa_identity = \"{identity}\", ed_identity = \"{}\", \
         orports = [\"127.0.0.1:1\"] }}]\n",
        "A".repeat(43)
    );
    let path = dir.join("nowhere.toml");
    fs::write(&path, text).unwrap();
    let mut config = ArtiConfig::default();
    config.set_config_path(Some(path)).unwrap();
    config
}

/// A client that keeps nothing, and what it counts.
pub(crate) async fn start(config: &ArtiConfig) -> (ArtiNet, Recorder) {
    let recorder = Recorder::new();
    let live = Reloadable::new(config.clone());
    let net = ArtiNet::start(&live, true, recorder.observer()).await;
    (net.unwrap(), recorder)
}

/// A client that is ready.
pub(crate) async fn started(config: &ArtiConfig) -> ArtiNet {
    let (net, _) = start(config).await;
    becomes(&net, ReadyState::Ready, LONG).await;
    net
}

/// A service and a client, both ready.
pub(crate) async fn pair(service: &ArtiConfig, client: &ArtiConfig) -> (ArtiNet, ArtiNet) {
    tokio::join!(started(service), started(client))
}

pub(crate) async fn becomes(net: &ArtiNet, state: ReadyState, within: Duration) {
    let mut readiness = net.readiness();
    let reached = timeout(within, readiness.wait_for(|now| *now == state)).await;
    assert!(reached.is_ok(), "not {state}: {net:?}");
}

/// The configuration of an onion service on this port.
pub(crate) fn serving(net: &TorNet, port: u16) -> ArtiConfig {
    let mut config = config(net);
    let onion = config.onion_service_mut();
    onion.set_enabled(true).set_ports(&[port]).unwrap();
    config
}

/// Where a service is.
pub(crate) fn target(net: &ArtiNet, port: u16) -> Target {
    Target::host(net.onion_address().unwrap(), port).unwrap()
}

/// Dials until it works: a service is found some time after it was published.
pub(crate) async fn reach<D: Dialer>(dialer: &D, to: &Target) -> Connection<D::Io> {
    let reached = timeout(LONG, async {
        loop {
            match timeout(Duration::from_secs(15), dialer.dial(to)).await {
                Ok(Ok(connection)) => return connection,
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    });
    reached.await.expect("the service cannot be reached")
}

pub(crate) async fn failed<D: Dialer>(dialer: &D, to: &Target) -> TransportError {
    let dialed = timeout(LONG, dialer.dial(to)).await;
    dialed.expect("a dial hangs").expect_err("a dial succeeds")
}

/// A TCP server that sends everything back.
pub(crate) async fn tcp_echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    addr
}

/// Bytes in which a lost, doubled or misplaced piece shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// Sends these bytes to an echo and checks what comes back.
pub(crate) async fn round_trip(io: &mut impl Io, sent: &[u8]) {
    let (mut read, mut write) = tokio::io::split(io);
    let mut back = vec![0; sent.len()];
    let both = async {
        tokio::join!(
            async {
                write.write_all(sent).await.unwrap();
                write.flush().await.unwrap();
            },
            async { read.read_exact(&mut back).await.unwrap() }
        );
    };
    timeout(LONG, both).await.expect("an echo hangs");
    assert!(back == sent, "bytes changed on the way");
}

/// The names in a directory.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
