//! Starts and ends: nothing is left, and the next start finds everything free.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use transport_arti::transport_core::{Dialer, Target};
use transport_arti::{ArtiNet, Reloadable};
use transport_testkit::Recorder;

use crate::rig::{
    config, names, nowhere, reach, round_trip, serving, shared, skip, start, started, target,
    tcp_echo,
};

fn count(dir: &str) -> usize {
    names(Path::new(dir)).len()
}

fn in_memory() -> Vec<String> {
    let own = |dir: &str| -> Vec<String> {
        let all = if Path::new(dir).is_dir() {
            names(Path::new(dir))
        } else {
            Vec::new()
        };
        let ours = all
            .into_iter()
            .filter(|name| name.starts_with("ron-transport-arti-"));
        ours.collect()
    };
    let runtime = std::env::var("XDG_RUNTIME_DIR").unwrap_or_default();
    [own("/dev/shm"), own(&runtime)].concat()
}

/// Waits for threads that were told to end and count for a moment longer.
async fn falls_to(what: &str, limit: usize, count: impl Fn() -> usize) {
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
    panic!("{what}: {} are more than {limit}: {open:?} {tcp}", count());
}

/// A TCP service that sends four bytes back and closes: its sockets are this process's too, and wait
/// for no relay to end.
async fn answers_once() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = [0; 4];
            if stream.read_exact(&mut question).await.is_ok() {
                let _ = stream.write_all(&question).await;
            }
        }
    });
    addr
}

#[tokio::test]
async fn starts_and_ends_leave_nothing() {
    if skip("starts_and_ends_leave_nothing") {
        return;
    }
    let tor = shared().await;
    let echo: Target = answers_once().await.to_string().parse().unwrap();
    let before_memory = in_memory();
    let mut first = None;
    for _ in 0..10 {
        let net = started(&serving(tor, 80)).await;
        assert!(in_memory().len() > before_memory.len());
        let mut connection = reach(&net.dialer(), &echo).await;
        round_trip(&mut connection.io, b"life").await;
        // Held over the end on purpose: whoever holds a stream holds nothing else.
        assert!(net.shutdown(Duration::from_secs(5)).await);
        drop(connection);
        // The first cycle leaves what a process has once (threads of the test, caches).
        let (fds, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
        let (fds, threads) = *first.get_or_insert((fds, threads));
        falls_to("descriptors", fds, || count("/proc/self/fd")).await;
        falls_to("threads", threads, || count("/proc/self/task")).await;
        assert_eq!(in_memory(), before_memory);
    }
}

#[tokio::test]
async fn directories_are_free_again_and_held_streams_end() {
    if skip("directories_are_free_again_and_held_streams_end") {
        return;
    }
    let tor = shared().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(tor);
    config
        .set_state_dir(Some(dir.path().join("state")))
        .unwrap();
    config
        .set_cache_dir(Some(dir.path().join("cache")))
        .unwrap();
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
        let read = read.await.expect("a stream outlives its Tor");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

#[tokio::test]
async fn a_dropped_one_ends_by_itself_and_its_dialer_says_so() {
    if skip("a_dropped_one_ends_by_itself_and_its_dialer_says_so") {
        return;
    }
    let tor = shared().await;
    let before = in_memory().len();
    let net = started(&serving(tor, 80)).await;
    let (dialer, to) = (net.dialer(), target(&net, 80));
    drop(net);
    falls_to("directories in memory", before, || in_memory().len()).await;
    let error = dialer.dial(&to).await.unwrap_err();
    assert_eq!(error.kind(), "cancelled");
    // One that never bootstrapped ends as well.
    let (net, _) = start(&config(tor)).await;
    drop(net);
    falls_to("directories in memory", before, || in_memory().len()).await;
}

#[tokio::test]
async fn what_cannot_be_used_fails_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let mut config = nowhere(dir.path());
    config.set_state_dir(Some(file.clone())).unwrap();
    config
        .set_cache_dir(Some(dir.path().join("cache")))
        .unwrap();
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
