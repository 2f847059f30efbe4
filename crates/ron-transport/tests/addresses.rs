//! Transports with several addresses, and reloads that add and remove some.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{
    echo, Config, ErrorKind, Inherited, ListenAddr, ReadyState, ReloadError, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport_testkit::Recorder;

const LATE: Duration = Duration::from_secs(2);
const FIRST: &str = "127.0.0.1:0";
const SECOND: &str = "127.0.0.2:0";

transport_testkit::both! {
    each_address_is_served_until_the_drain
    reload_adds_and_removes_addresses
    failed_bind_changes_nothing
    staged_addresses_wait_for_their_commit
    passed_sockets_are_served_together
    closing_listener_has_a_deadline
}

fn config(addrs: &[&str], more: &str) -> Config {
    let text = format!("[transport]\nbind_addr = {addrs:?}\n{more}");
    let loaded = Config::loader().toml_str(&text, "test").load();
    loaded.unwrap().into_settings()
}

fn addrs(transport: &Transport) -> Vec<SocketAddr> {
    let all = transport.local_addrs();
    all.iter().map(|addr| addr.socket_addr().unwrap()).collect()
}

fn serve(transport: &Arc<Transport>, loops: usize) {
    for _ in 0..loops {
        tokio::spawn(Arc::clone(transport).serve_owned(echo));
    }
}

/// A transport with two accept loops.
async fn serving(config: Config) -> (Arc<Transport>, Recorder) {
    let recorder = Recorder::new();
    let builder = Transport::builder().config(config);
    let builder = builder.accept_loops(NonZeroUsize::new(2).unwrap());
    let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
    transport.listen().await.unwrap();
    serve(&transport, 2);
    (transport, recorder)
}

async fn connect(addr: SocketAddr) -> TcpStream {
    timeout(LATE, TcpStream::connect(addr))
        .await
        .unwrap()
        .unwrap()
}

async fn echoes(client: &mut TcpStream) -> bool {
    let exchanged = async {
        client.write_all(b"x").await.is_ok()
            && client.read_u8().await.is_ok_and(|byte| byte == b'x')
    };
    timeout(LATE, exchanged).await.unwrap()
}

async fn is_refused(addr: SocketAddr) -> bool {
    let connected = TcpStream::connect(addr).await;
    connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

async fn until_refused(addr: SocketAddr) {
    let refused = async {
        while !is_refused(addr).await {
            tokio::task::yield_now().await;
        }
    };
    timeout(LATE, refused).await.unwrap();
}

async fn each_address_is_served_until_the_drain() {
    let (transport, _) = serving(config(&[FIRST, SECOND, "[::1]:0"], "")).await;
    let all = addrs(&transport);
    assert_eq!(transport.local_addr(), Some(ListenAddr::Ip(all[0])));
    assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
    for addr in &all {
        for _ in 0..4 {
            assert!(echoes(&mut connect(*addr).await).await);
        }
    }
    let report = transport.shutdown(LATE).await;
    assert_eq!(report.aborted, 0);
    for addr in all {
        assert!(is_refused(addr).await);
    }
}

async fn reload_adds_and_removes_addresses() {
    let (transport, recorder) = serving(config(&[FIRST], "")).await;
    let kept = addrs(&transport)[0];
    let mut held = connect(kept).await;
    assert!(echoes(&mut held).await);
    let report = transport.reload(config(&[SECOND, FIRST], "")).unwrap();
    assert_eq!(report.applied, ["bind_addr"]);
    let [added, same] = addrs(&transport)[..] else {
        panic!("two addresses");
    };
    assert_eq!(same, kept);
    let mut of_added = connect(added).await;
    assert!(echoes(&mut of_added).await && echoes(&mut connect(kept).await).await);
    // Its connections outlive the address.
    transport.reload(config(&[FIRST], "")).unwrap();
    until_refused(added).await;
    assert_eq!(addrs(&transport), [kept]);
    assert!(echoes(&mut held).await && echoes(&mut of_added).await);
    assert!(echoes(&mut connect(kept).await).await);
    // Another address altogether.
    transport.reload(config(&[SECOND], "")).unwrap();
    until_refused(kept).await;
    assert!(echoes(&mut connect(addrs(&transport)[0]).await).await && echoes(&mut held).await);
    assert_eq!(recorder.snapshot().reloads, [true; 3]);
    // Whether it listens at all needs a restart.
    let error = transport.reload(config(&[], "")).unwrap_err();
    let keys = vec!["bind_addr"];
    assert_eq!(error, ReloadError::NeedsRestart { keys });
    transport.shutdown(LATE).await;
}

async fn failed_bind_changes_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (taken.local_addr().unwrap().to_string(), taken);
    let (transport, recorder) = serving(config(&[FIRST], "")).await;
    let before = addrs(&transport);
    // The first of both added addresses must not stay open.
    let wanted = config(&[SECOND, &taken.0, FIRST], "max_conns = 7");
    let ReloadError::Bind(error) = transport.reload(wanted).unwrap_err() else {
        panic!("another error");
    };
    assert!(error.contains(&taken.0), "{error}");
    // Nor does an address open if another part of the reload fails.
    let wanted = config(&[FIRST, SECOND], "tcp.backlog = 7");
    let error = transport.reload(wanted).unwrap_err();
    assert_eq!(error.to_string(), "needs a restart: tcp.backlog");
    assert_eq!(
        (addrs(&transport), transport.config().limits.max_conns()),
        (before.clone(), 1024)
    );
    assert!(echoes(&mut connect(before[0]).await).await);
    assert_eq!(recorder.snapshot().reloads, [false; 2]);
    transport.shutdown(LATE).await;
}

async fn staged_addresses_wait_for_their_commit() {
    let (transport, _) = serving(config(&[FIRST], "")).await;
    let before = addrs(&transport);
    let wanted = config(&[FIRST, SECOND], "max_conns = 7");
    drop(transport.stage_addrs(&wanted).unwrap());
    let staged = transport.stage_addrs(&wanted).unwrap();
    transport.reload_settings(wanted.clone()).unwrap();
    assert_eq!(addrs(&transport), before);
    // The way back of a service whose other transport failed.
    drop(staged);
    transport.reload_settings(config(&[FIRST], "")).unwrap();
    assert_eq!(addrs(&transport), before);
    let staged = transport.stage_addrs(&wanted).unwrap();
    transport.reload_settings(wanted).unwrap();
    staged.commit();
    assert!(echoes(&mut connect(addrs(&transport)[1]).await).await);
    transport.shutdown(LATE).await;
    let error = transport.stage_addrs(&config(&[SECOND], "")).unwrap_err();
    assert_eq!(error, ReloadError::Draining);
}

async fn passed_sockets_are_served_together() {
    let sockets = [FIRST, SECOND].map(|addr| std::net::TcpListener::bind(addr).unwrap());
    let wanted = sockets
        .each_ref()
        .map(|socket| socket.local_addr().unwrap());
    let transport = Arc::new(Transport::builder().build().unwrap());
    let sockets = sockets.map(Inherited::Tcp).into();
    transport.listen_on_all(sockets).await.unwrap();
    assert_eq!(addrs(&transport), wanted);
    serve(&transport, 1);
    for addr in wanted {
        assert!(echoes(&mut connect(addr).await).await);
    }
    transport.shutdown(LATE).await;
    let none = Transport::builder().build().unwrap();
    let error = none.listen_on_all(Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// Clients that reconnect at once keep no listener open.
async fn closing_listener_has_a_deadline() {
    let (transport, _) = serving(config(&[FIRST], "")).await;
    let addr = addrs(&transport)[0];
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: JoinSet<_> = (0..4)
        .map(|_| {
            let stop = Arc::clone(&stop);
            move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    if std::net::TcpStream::connect(addr).is_err() {
                        return true;
                    }
                }
                false
            }
        })
        .fold(JoinSet::new(), |mut clients, client| {
            clients.spawn_blocking(client);
            clients
        });
    let began = std::time::Instant::now();
    transport.stop_accepting().await;
    let refused = timeout(5 * LATE, clients.join_all()).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let refused = refused.map_err(|_| began.elapsed());
    assert_eq!(refused, Ok(vec![true; 4]), "open after this time");
}

#[test]
fn conflicting_addresses_are_refused() {
    let load = |list: &str| {
        let text = format!("[transport]\nbind_addr = {list}");
        Config::loader().toml_str(&text, "test").load()
    };
    for (list, text) in [
        (
            "['127.0.0.1:1', '127.0.0.1:1']",
            "127.0.0.1:1 is in the list twice",
        ),
        (
            "['0.0.0.0:1', '127.0.0.1:1']",
            "0.0.0.0:1 covers 127.0.0.1:1",
        ),
        (
            "['127.0.0.1:1', 'localhost:2']",
            "not an IP address and port",
        ),
    ] {
        let error = load(list).unwrap_err().to_string();
        assert!(
            error.contains("bind_addr") && error.contains(text),
            "{error}"
        );
    }
    for list in [
        "'127.0.0.1:1'",
        "['127.0.0.1:1']",
        "'0.0.0.0:1, [::]:1'",
        "['0.0.0.0:1', '[::]:1']",
    ] {
        let loaded = load(list).unwrap();
        assert_eq!(loaded.settings().general.bind_addr().unwrap().port(), 1);
    }
    let twice = [SocketAddr::from(([127, 0, 0, 1], 1)); 2];
    let error = Transport::builder().bind_addrs(twice).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
