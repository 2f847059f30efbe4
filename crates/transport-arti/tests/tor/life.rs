//! Starts and shutdowns: no resource stays in use.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use transport_arti::transport_core::{Dialer, Target};
use transport_arti::{ArtiNet, Reloadable};
use transport_testkit::Recorder;

use crate::rig::{
    config, names, reach, round_trip, serving, shared, skip, start, started, stored_in, target,
    tcp_echo, unreachable,
};

fn count(dir: &str) -> usize {
    names(Path::new(dir)).len()
}

/// The names of the directories in memory.
fn ram_dirs() -> Vec<String> {
    let runtime = std::env::var("XDG_RUNTIME_DIR").unwrap_or_default();
    let parents = [Path::new("/dev/shm"), Path::new(&runtime)];
    parents
        .into_iter()
        .filter(|parent| parent.is_dir())
        .flat_map(names)
        .filter(|name| name.starts_with("ron-transport-arti-"))
        .collect()
}

/// Waits until a count falls to a limit.
///
/// Ending threads count for a moment longer.
async fn falls_to(name: &str, limit: usize, count: impl Fn() -> usize) {
    for _ in 0..100 {
        if count() <= limit {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let open = names(Path::new("/proc/self/fd")).into_iter();
    let open: Vec<_> = open
        .map(|fd| fs::read_link(format!("/proc/self/fd/{fd}")))
        .collect();
    let tcp = fs::read_to_string("/proc/self/net/tcp").unwrap();
    panic!(
        "{name}: {} exceed {limit}; open files: {open:?}; {tcp}",
        count()
    );
}

/// Starts a TCP service that echoes four bytes and closes.
///
/// Its sockets count as descriptors of this process, so it does not wait for a relay to close them.
async fn echo_four_bytes() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4];
            if stream.read_exact(&mut request).await.is_ok() {
                let _ = stream.write_all(&request).await;
            }
        }
    });
    addr
}

#[tokio::test]
async fn shutdown_releases_all_resources() {
    if skip("shutdown_releases_all_resources") {
        return;
    }
    let tor = shared().await;
    let echo: Target = echo_four_bytes().await.to_string().parse().unwrap();
    let before = ram_dirs();
    let mut first = None;
    for _ in 0..10 {
        let net = started(&serving(tor, 80)).await;
        assert!(ram_dirs().len() > before.len());
        let mut connection = reach(&net.dialer(), &echo).await;
        round_trip(&mut connection.io, b"life").await;
        // Dropped after the shutdown: an open stream must keep no other resource.
        assert!(net.shutdown(Duration::from_secs(5)).await);
        drop(connection);
        // The first cycle creates what stays for the process (threads of the test, caches).
        let (fds, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
        let (fds, threads) = *first.get_or_insert((fds, threads));
        falls_to("descriptors", fds, || count("/proc/self/fd")).await;
        falls_to("threads", threads, || count("/proc/self/task")).await;
        assert_eq!(ram_dirs(), before);
    }
}

#[tokio::test]
async fn shutdown_unlocks_dirs_and_ends_streams() {
    if skip("shutdown_unlocks_dirs_and_ends_streams") {
        return;
    }
    let tor = shared().await;
    let dir = tempfile::tempdir().unwrap();
    let config = stored_in(config(tor), dir.path());
    let echo: Target = tcp_echo().await.to_string().parse().unwrap();
    let live = Reloadable::new(config.clone());
    let mut held = Vec::new();
    for _ in 0..3 {
        let net = ArtiNet::start(&live, false, Recorder::new().observer())
            .await
            .unwrap();
        let mut ready = net.readiness();
        ready.wait_for(|now| now.level() == 2).await.unwrap();
        held.push(reach(&net.dialer(), &echo).await);
        assert!(net.shutdown(Duration::from_secs(5)).await);
    }
    for mut connection in held {
        let mut buf = [0];
        let read = tokio::time::timeout(Duration::from_secs(5), connection.io.read(&mut buf));
        let read = read
            .await
            .expect("a stream is still open after the shutdown");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

#[tokio::test]
async fn drop_ends_tor_and_cancels_dials() {
    if skip("drop_ends_tor_and_cancels_dials") {
        return;
    }
    let tor = shared().await;
    let before = ram_dirs().len();
    let net = started(&serving(tor, 80)).await;
    let (dialer, to) = (net.dialer(), target(&net, 80));
    drop(net);
    falls_to("directories in memory", before, || ram_dirs().len()).await;
    let error = dialer.dial(&to).await.unwrap_err();
    assert_eq!(error.kind(), "cancelled");
    // A client that has not bootstrapped ends as well.
    let (net, _) = start(&config(tor)).await;
    drop(net);
    falls_to("directories in memory", before, || ram_dirs().len()).await;
}

#[tokio::test]
async fn unusable_paths_fail_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let mut config = stored_in(unreachable(dir.path()), dir.path());
    config.set_state_dir(Some(file.clone())).unwrap();
    let live = Reloadable::new(config.clone());
    let error = ArtiNet::start(&live, false, Recorder::new().observer())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "config", "{error}");
    config.set_state_dir(None).unwrap();
    config
        .set_config_path(Some(dir.path().join("missing")))
        .unwrap();
    live.replace(config);
    let error = ArtiNet::start(&live, false, Recorder::new().observer())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("arti.config_path"), "{error}");
}
