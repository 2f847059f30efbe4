//! Accepted connections have the current socket options, also after a change.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport_core::{Dialer, Io, Listener, PeerAddr, Pending};
use transport_tcp::raw::{TcpDialer, TcpListener};
use transport_tcp::{Reloadable, TcpConfig};

fn any(ip: [u8; 4]) -> SocketAddr {
    SocketAddr::from((ip, 0))
}

/// Nodelay, keepalive idle time, user timeout.
type Options = (bool, Option<Duration>, Option<Duration>);

async fn accepted(listener: &mut TcpListener) -> (TcpStream, Options, Option<SocketAddr>) {
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connection = listener.accept().await.unwrap().establish().await.unwrap();
    (
        client,
        options(connection.io.get_ref()),
        connection.info.local,
    )
}

fn options(stream: &TcpStream) -> Options {
    let socket = SockRef::from(stream);
    let keepalive = socket.keepalive().unwrap();
    (
        socket.tcp_nodelay().unwrap(),
        keepalive.then(|| socket.tcp_keepalive_time().unwrap()),
        socket.tcp_user_timeout().unwrap(),
    )
}

fn config((nodelay, keepalive, user_timeout): Options) -> TcpConfig {
    let mut config = TcpConfig::default();
    config.set_nodelay(nodelay);
    config.set_keepalive(keepalive).unwrap();
    config.set_user_timeout(user_timeout).unwrap();
    config
}

#[tokio::test]
async fn current_options_apply_at_accept() {
    let secs = |n| Some(Duration::from_secs(n));
    let all: [Options; 4] = [
        (true, secs(60), None),
        (false, None, secs(7)),
        (false, secs(5), None),
        (true, None, secs(9)),
    ];
    for first in all {
        let live = Reloadable::new(config(first));
        let bound = TcpListener::bind(any([127, 0, 0, 1]), &config(first)).await;
        let mut listener = bound.unwrap().with_config(&live);
        assert_eq!(accepted(&mut listener).await.1, first);
        for next in all {
            live.replace(config(next));
            assert_eq!(accepted(&mut listener).await.1, next, "after {first:?}");
        }
    }
}

#[tokio::test]
async fn passed_socket_gets_options() {
    let wanted = (true, Some(Duration::from_secs(11)), None);
    let socket = std::net::TcpListener::bind(any([127, 0, 0, 1])).unwrap();
    let mut listener = TcpListener::from_std(socket, &config(wanted)).unwrap();
    assert_eq!(accepted(&mut listener).await.1, wanted);
}

/// Connections in the backlog of a passed socket get the options too.
#[tokio::test]
async fn queued_connection_gets_options() {
    let wanted = (
        true,
        Some(Duration::from_secs(11)),
        Some(Duration::from_secs(7)),
    );
    let socket = std::net::TcpListener::bind(any([127, 0, 0, 1])).unwrap();
    let early = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let mut listener = TcpListener::from_std(socket, &config(wanted)).unwrap();
    let connection = listener.accept().await.unwrap().establish().await.unwrap();
    let peer = connection.io.get_ref().peer_addr().unwrap();
    assert_eq!(peer, early.local_addr().unwrap());
    assert_eq!(options(connection.io.get_ref()), wanted);
}

#[tokio::test]
async fn local_address_is_of_the_connection() {
    for ip in [[127, 0, 0, 1], [0, 0, 0, 0]] {
        let mut listener = TcpListener::bind(any(ip), &TcpConfig::default())
            .await
            .unwrap();
        let (client, _, local) = accepted(&mut listener).await;
        assert_eq!(local, Some(client.peer_addr().unwrap()));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn unsent_bytes_follow_configuration() {
    let marked = |bytes| {
        let mut config = TcpConfig::default();
        config.set_unsent_bytes(bytes);
        config
    };
    let mark = |stream: &TcpStream| SockRef::from(stream).tcp_notsent_lowat().unwrap();
    let live = Reloadable::new(marked(16 << 10));
    let bound = TcpListener::bind(any([127, 0, 0, 1]), &live.get()).await;
    let mut listener = bound.unwrap().with_config(&live);
    let target = listener.local_addr().unwrap().to_string().parse().unwrap();
    let dialer = TcpDialer::default().with_config(&live);
    for bytes in [16 << 10, 32 << 10] {
        live.replace(marked(bytes));
        let mut dialed = dialer.dial(&target).await.unwrap();
        // More than the mark: with fewer bytes it has no effect.
        let block = vec![7; bytes + 1];
        dialed.io.write_all(&block).await.unwrap();
        let accepted = listener.accept().await.unwrap().establish().await.unwrap();
        assert_eq!(mark(dialed.io.get_ref()), u32::try_from(bytes).unwrap());
        assert_eq!(mark(accepted.io.get_ref()), u32::try_from(bytes).unwrap());
    }
}

/// A first small write needs no option; the second one needs `TCP_NODELAY`.
#[tokio::test]
async fn dialed_options_precede_their_writes() {
    let bound = TcpListener::bind(any([127, 0, 0, 1]), &TcpConfig::default()).await;
    let mut listener = bound.unwrap();
    let addr = listener.local_addr().unwrap();
    let target = addr.to_string().parse().unwrap();
    for (writes, nodelay) in [(&[1][..], false), (&[1, 1], true), (&[537], true)] {
        let dialed = TcpDialer::default().dial(&target).await.unwrap();
        assert_eq!(dialed.info.peer, Some(PeerAddr::Ip(addr)));
        let mut io = dialed.io;
        let accepted = listener.accept().await.unwrap().establish().await.unwrap();
        for bytes in writes {
            io.write_all(&vec![7; *bytes]).await.unwrap();
        }
        assert_eq!(io.get_ref().nodelay().unwrap(), nodelay, "{writes:?}");
        assert!(io.into_inner().nodelay().unwrap());
        drop(accepted);
    }
}

/// After the peer's end of stream, a close ends in order.
#[tokio::test]
async fn expected_drop_ends_in_order() {
    let bound = TcpListener::bind(any([127, 0, 0, 1]), &TcpConfig::default()).await;
    let mut listener = bound.unwrap();
    let port = listener.local_addr().unwrap().port();
    for peer_ends in [true, false] {
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let accepted = listener.accept().await.unwrap().establish().await.unwrap();
        let mut io = accepted.io;
        io.write_all(b"last").await.unwrap();
        if peer_ends {
            client.shutdown().await.unwrap();
            assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
        }
        io.expect_drop();
        io.shutdown().await.unwrap();
        let mut seen = Vec::new();
        if peer_ends {
            // Nothing was sent before the drop.
            drop(io);
            client.read_to_end(&mut seen).await.unwrap();
        } else {
            client.read_to_end(&mut seen).await.unwrap();
            drop(io);
        }
        assert_eq!(seen, b"last");
    }
}

/// The write before a shutdown leaves together with the end of stream.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn last_write_sent_with_the_end() {
    let bound = TcpListener::bind(any([127, 0, 0, 1]), &TcpConfig::default()).await;
    let mut listener = bound.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut shared = false;
    // The kernel sends a held write after 200 ms, which a stopped test may exceed.
    for _ in 0..5 {
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let accepted = listener.accept().await.unwrap().establish().await.unwrap();
        let mut io = accepted.io;
        io.write_all(b"first").await.unwrap();
        let mut seen = [0; 5];
        client.read_exact(&mut seen).await.unwrap();
        io.expect_shutdown();
        io.write_all(b"last").await.unwrap();
        let early = client.try_read(&mut seen);
        shared |= early.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        io.shutdown().await.unwrap();
        if shared {
            let mut last = Vec::new();
            client.read_to_end(&mut last).await.unwrap();
            assert_eq!(last, b"last");
            return;
        }
    }
    panic!("the last write was sent before the end");
}

/// The peer's small reads are visible before the socket is writable.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn taken_bytes_are_visible_before_writability() {
    let bound = TcpListener::bind(any([127, 0, 0, 1]), &TcpConfig::default()).await;
    let mut listener = bound.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut io = listener
        .accept()
        .await
        .unwrap()
        .establish()
        .await
        .unwrap()
        .io;
    let patience = Duration::from_millis(500);
    let block = vec![7; 64 << 10];
    while tokio::time::timeout(patience, io.write_all(&block))
        .await
        .is_ok()
    {}
    let before = io.taken().unwrap();
    let mut read = 0;
    let mut buf = [0; 4 << 10];
    while io.taken().unwrap() == before {
        read += client.read(&mut buf).await.unwrap();
        assert!(read <= 128 << 10, "{read} bytes were read unseen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let grown = io.taken().unwrap().bytes() - before.bytes();
    assert!(grown <= 256 << 10, "{grown}");
    let mark = SockRef::from(io.get_ref()).tcp_notsent_lowat().unwrap();
    assert_eq!(mark, TcpConfig::default().unsent_bytes());
}
