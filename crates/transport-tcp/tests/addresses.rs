//! Listeners with several addresses, and their changes while they accept.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use transport_core::{Listener, Pending, TransportError};
use transport_tcp::raw::{ListenSet, TcpListener, TcpPending};
use transport_tcp::TcpConfig;

const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(2);

fn any(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 0)
}

fn ip(addr: SocketAddr) -> IpAddr {
    addr.ip().to_canonical()
}

fn bind(addrs: &[SocketAddr]) -> (ListenSet, TcpListener) {
    let (set, mut listeners) = ListenSet::bind(addrs, &TcpConfig::default(), 1).unwrap();
    (set, listeners.remove(0))
}

async fn accept(listener: &mut TcpListener) -> TcpPending {
    timeout(LATE, listener.accept()).await.unwrap().unwrap()
}

/// Returns the local address of the next accepted connection.
async fn next(listener: &mut TcpListener) -> SocketAddr {
    let established = accept(listener).await.establish().await.unwrap();
    established.info.local.unwrap()
}

async fn connect(addr: SocketAddr) -> TcpStream {
    timeout(LATE, TcpStream::connect(addr))
        .await
        .unwrap()
        .unwrap()
}

async fn is_refused(addr: SocketAddr) -> bool {
    let connected = TcpStream::connect(addr).await;
    connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn each_address_of_a_list_accepts() {
    let (set, mut listener) = bind(&[any("127.0.0.1"), any("127.0.0.2"), any("::1")]);
    let addrs = set.local_addrs();
    assert_eq!(listener.local_addr().unwrap(), addrs[0]);
    for addr in addrs {
        let _client = connect(addr).await;
        assert_eq!(next(&mut listener).await, addr);
    }
}

/// Binds both wildcards to a port that was free just before.
fn both_wildcards() -> (ListenSet, Vec<TcpListener>) {
    let mut attempts = 0..20;
    loop {
        let v4 = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        drop(v4);
        let addrs = ["[::]", "0.0.0.0"].map(|ip| format!("{ip}:{port}").parse().unwrap());
        match ListenSet::bind(&addrs, &TcpConfig::default(), 2) {
            Ok(bound) => return bound,
            Err(error) => assert!(attempts.next().is_some(), "{error}"),
        }
    }
}

#[tokio::test]
async fn wildcards_of_both_families_share_a_port() {
    let (set, listeners) = both_wildcards();
    assert_eq!(listeners.len(), 2);
    let port = set.local_addrs()[0].port();
    let [mut one, mut two] = <[TcpListener; 2]>::try_from(listeners).unwrap();
    for host in ["127.0.0.1", "::1"] {
        let host: IpAddr = host.parse().unwrap();
        let _client = connect(SocketAddr::new(host, port)).await;
        let (first, second) = (accept(&mut one), accept(&mut two));
        let pending = tokio::select! {
            pending = first => pending,
            pending = second => pending,
        };
        let info = pending.establish().await.unwrap().info;
        let local = info.local.unwrap();
        // An IPv4 client has no mapped address: the IPv6 socket has left it to the other one.
        assert_eq!((local.ip(), local.is_ipv4()), (host, host.is_ipv4()));
    }
}

#[tokio::test]
async fn lone_ipv6_wildcard_accepts_ipv4() {
    let (set, mut listener) = bind(&[any("::")]);
    let port = set.local_addrs()[0].port();
    let _client = connect(SocketAddr::from(([127, 0, 0, 1], port))).await;
    assert_eq!(ip(next(&mut listener).await), IpAddr::from([127, 0, 0, 1]));
    let beside = SocketAddr::from(([127, 0, 0, 1], port));
    let wild = SocketAddr::new("::".parse().unwrap(), port);
    let (set, _listener) = bind(&[wild_of_free_port()]);
    let wild_now = set.local_addrs()[0];
    let list = [wild_now, SocketAddr::new(beside.ip(), wild_now.port())];
    let error = set.stage(&list, &TcpConfig::default()).unwrap_err();
    assert!(
        error.to_string().contains("needs a restart"),
        "{error} {wild}"
    );
}

/// Returns an IPv6 wildcard with a port that was free just now.
fn wild_of_free_port() -> SocketAddr {
    std::net::TcpListener::bind("[::]:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A flood at one address delays the other by one connection.
#[tokio::test]
async fn busy_address_starves_no_other() {
    let (set, mut listener) = bind(&[any("127.0.0.1"), any("127.0.0.2")]);
    let [busy, quiet] = <[SocketAddr; 2]>::try_from(set.local_addrs()).unwrap();
    let mut clients = Vec::new();
    for _ in 0..64 {
        clients.push(connect(busy).await);
    }
    assert_eq!(next(&mut listener).await, busy);
    for _ in 0..5 {
        clients.push(connect(quiet).await);
        // The first of them may have been asked before its client came.
        let both = [next(&mut listener).await, next(&mut listener).await];
        assert!(both.contains(&quiet), "{both:?}");
    }
}

#[tokio::test]
async fn conflicting_list_is_refused() {
    let list = [any("127.0.0.1"), any("127.0.0.1")];
    let error = ListenSet::bind(&list, &TcpConfig::default(), 1).unwrap_err();
    assert!(matches!(error, TransportError::Config { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("127.0.0.1:0 is in the list twice"),
        "{error}"
    );
    let error = ListenSet::bind(&[], &TcpConfig::default(), 1).unwrap_err();
    assert!(matches!(error, TransportError::Config { .. }), "{error}");
}

#[tokio::test]
async fn taken_address_opens_none_of_the_list() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (taken.local_addr().unwrap(), taken);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = free.local_addr().unwrap();
    drop(free);
    for loops in [1, 2] {
        let bound = ListenSet::bind(&[first, taken.0], &TcpConfig::default(), loops);
        let TransportError::Bind { addr, .. } = bound.unwrap_err() else {
            panic!("another error");
        };
        assert_eq!(addr, taken.0.to_string());
        assert!(is_refused(first).await);
    }
}

async fn staged_changes_apply_to_waiting_accepts() {
    let [first, second] = [any("127.0.0.1"), any("127.0.0.2")];
    let config = TcpConfig::default();
    let (set, listeners) = ListenSet::bind(&[first], &config, 2).unwrap();
    let kept = set.local_addrs()[0];
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|mut listener| {
            let (sender, accepted) = tokio::sync::mpsc::channel(64);
            let task = tokio::spawn(async move {
                while let Ok(pending) = listener.accept().await {
                    let established = pending.establish().await.unwrap();
                    sender.send(established).await.unwrap();
                }
            });
            (task, accepted)
        })
        .collect();
    let (tasks, mut accepted): (Vec<_>, Vec<_>) = accepting.into_iter().unzip();
    let [one, two] = &mut accepted[..] else {
        panic!("two loops");
    };
    let client_of = |addr: SocketAddr| {
        let _client = std::net::TcpStream::connect(addr).unwrap();
        addr
    };
    // A dropped change leaves the addresses as they are.
    drop(set.stage(&[first, second], &config).unwrap());
    assert_eq!(set.local_addrs(), [kept]);
    set.stage(&[first, second], &config).unwrap().commit();
    let [same, added] = <[SocketAddr; 2]>::try_from(set.local_addrs()).unwrap();
    assert_eq!(same, kept);
    for addr in [kept, added, kept, added, added, added] {
        let addr = client_of(addr);
        let established = tokio::select! {
            established = one.recv() => established,
            established = two.recv() => established,
            () = tokio::time::sleep(LATE) => panic!("no connection at {addr}"),
        };
        assert_eq!(established.unwrap().info.local, Some(addr));
    }
    set.stage(&[second], &config).unwrap().commit();
    assert_eq!(set.local_addrs(), [added]);
    let closed = async {
        while !is_refused(kept).await {
            // Full channels would stop the loops.
            while one.try_recv().is_ok() || two.try_recv().is_ok() {}
            tokio::task::yield_now().await;
        }
    };
    timeout(LATE, closed).await.unwrap();
    client_of(added);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn changes_apply_on_current_thread() {
    staged_changes_apply_to_waiting_accepts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_apply_on_several_threads() {
    staged_changes_apply_to_waiting_accepts().await;
}

#[tokio::test]
async fn removed_address_yields_its_backlog() {
    let [first, second] = [any("127.0.0.1"), any("127.0.0.2")];
    let (set, mut listener) = bind(&[first, second]);
    let removed = set.local_addrs()[1];
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(connect(removed).await);
    }
    set.stage(&[first], &TcpConfig::default()).unwrap().commit();
    for _ in 0..3 {
        assert_eq!(next(&mut listener).await, removed);
    }
    let more = timeout(SOON, listener.accept()).await;
    assert!(more.is_err() && is_refused(removed).await);
    let _client = connect(set.local_addrs()[0]).await;
    assert_eq!(next(&mut listener).await, set.local_addrs()[0]);
}

/// A move to another runtime keeps unapplied changes.
#[tokio::test]
async fn shared_listener_applies_pending_changes() {
    let [first, second] = [any("127.0.0.1"), any("127.0.0.2")];
    let (set, listener) = bind(&[first]);
    let config = TcpConfig::default();
    set.stage(&[second], &config).unwrap().commit();
    let mut moved = listener.share().unwrap().unwrap();
    drop(listener);
    // The removed address is closed at the next accept.
    let added = set.local_addrs()[0];
    let _client = connect(added).await;
    assert_eq!(next(&mut moved).await, added);
    drop(moved);
    assert!(is_refused(added).await);
    // Without an accept loop, the new socket has no owner, and closes.
    set.stage(&[first], &config).unwrap().commit();
    assert!(is_refused(set.local_addrs()[0]).await);
}

#[tokio::test]
async fn passed_sockets_accept_together() {
    let sockets: Vec<_> = ["127.0.0.1:0", "127.0.0.2:0"]
        .map(|addr| std::net::TcpListener::bind(addr).unwrap())
        .into();
    let (set, mut listener) = ListenSet::from_std(sockets, &TcpConfig::default()).unwrap();
    for addr in set.local_addrs() {
        let _client = connect(addr).await;
        assert_eq!(next(&mut listener).await, addr);
    }
}
