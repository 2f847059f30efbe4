//! Clients and services on the private network.

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

/// Deadline of every step. Ample for a debug build on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Returns whether to skip the test, and logs it.
pub(crate) use ron_tornet::skip;

/// Returns Arti's configuration file for a network.
///
/// The first call creates it in the network's directory.
pub(crate) fn config_path(net: &TorNet) -> PathBuf {
    let path = net.dir().join("client.toml");
    if !path.exists() {
        // Renamed into place, because concurrent tests share the file.
        let draft = tempfile::NamedTempFile::new_in(net.dir()).unwrap();
        fs::write(draft.path(), net.client_config()).unwrap();
        draft.persist(&path).unwrap();
    }
    path
}

/// Returns the shared network; the first call takes half a minute.
pub(crate) async fn shared() -> &'static TorNet {
    tokio::task::spawn_blocking(TorNet::shared).await.unwrap()
}

pub(crate) fn config(net: &TorNet) -> ArtiConfig {
    let mut config = ArtiConfig::default();
    config.set_config_path(Some(config_path(net))).unwrap();
    config
}

/// The settings of a network that does not exist.
///
/// Its only relay is a closed loopback port.
pub(crate) fn unreachable(dir: &Path) -> ArtiConfig {
    let identity = "0".repeat(40);
    let text = format!(
        "[tor_network]\nauthorities = {{ v3idents = [\"{identity}\"] }}\n\
         fallback_caches = [{{ rsa_identity = \"{identity}\", ed_identity = \"{}\", \
         orports = [\"127.0.0.1:1\"] }}]\n",
        "A".repeat(43)
    );
    let path = dir.join("unreachable.toml");
    fs::write(&path, text).unwrap();
    let mut config = ArtiConfig::default();
    config.set_config_path(Some(path)).unwrap();
    config
}

/// Sets the state and cache directories below `dir`.
pub(crate) fn stored_in(mut config: ArtiConfig, dir: &Path) -> ArtiConfig {
    config.set_state_dir(Some(dir.join("state"))).unwrap();
    config.set_cache_dir(Some(dir.join("cache"))).unwrap();
    config
}

/// Starts a client with amnesia; returns it and its recorder.
pub(crate) async fn start(config: &ArtiConfig) -> (ArtiNet, Recorder) {
    let recorder = Recorder::new();
    let live = Reloadable::new(config.clone());
    let net = ArtiNet::start(&live, true, recorder.observer()).await;
    (net.unwrap(), recorder)
}

/// Starts a client and waits until it is ready.
pub(crate) async fn started(config: &ArtiConfig) -> ArtiNet {
    let (net, _) = start(config).await;
    becomes(&net, ReadyState::Ready, LONG).await;
    net
}

/// Starts a service and a client and waits until both are ready.
pub(crate) async fn pair(service: &ArtiConfig, client: &ArtiConfig) -> (ArtiNet, ArtiNet) {
    tokio::join!(started(service), started(client))
}

pub(crate) async fn becomes(net: &ArtiNet, state: ReadyState, within: Duration) {
    let mut readiness = net.readiness();
    let reached = timeout(within, readiness.wait_for(|now| *now == state)).await;
    assert!(reached.is_ok(), "not {state}: {net:?}");
}

/// The settings of an onion service on this port.
pub(crate) fn serving(net: &TorNet, port: u16) -> ArtiConfig {
    let mut config = config(net);
    let onion = config.onion_service_mut();
    onion.set_enabled(true).set_ports(&[port]).unwrap();
    config
}

/// The target of a service.
pub(crate) fn target(net: &ArtiNet, port: u16) -> Target {
    Target::host(net.onion_address().unwrap(), port).unwrap()
}

/// Dials until it succeeds.
///
/// A service is reachable some time after its publication.
pub(crate) async fn reach<D: Dialer>(dialer: &D, to: &Target) -> Connection<D::Io> {
    let reached = timeout(LONG, async {
        loop {
            match timeout(Duration::from_secs(15), dialer.dial(to)).await {
                Ok(Ok(connection)) => return connection,
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    });
    reached.await.expect("the target cannot be reached")
}

pub(crate) async fn failed<D: Dialer>(dialer: &D, to: &Target) -> TransportError {
    let dialed = timeout(LONG, dialer.dial(to)).await;
    dialed
        .expect("the dial does not complete")
        .expect_err("the dial succeeds")
}

/// Starts a TCP echo server.
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

/// Pseudorandom bytes, which reveal a lost, repeated or moved piece.
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

/// Sends bytes to an echo and checks the response.
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
    timeout(LONG, both)
        .await
        .expect("the echo does not complete");
    assert!(back == sent, "the echo differs from the bytes sent");
}

/// The sorted names in a directory.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
