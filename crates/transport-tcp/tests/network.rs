//! Local address, device, mark and code point of accepted and dialed connections.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::{IpAddr, SocketAddr};

use socket2::SockRef;
use transport_core::{Dialer, Listener, Pending, Target, TransportError};
use transport_tcp::raw::{TcpDialer, TcpListener};
use transport_tcp::{Reloadable, TcpConfig};

const EXPEDITED: u64 = 46;

fn any(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 0)
}

fn target(addr: SocketAddr) -> Target {
    addr.to_string().parse().unwrap()
}

#[tokio::test]
async fn dial_uses_the_source_of_the_family() {
    let source: IpAddr = "127.0.0.2".parse().unwrap();
    let mut config = TcpConfig::default();
    config
        .set_source_addrs([source, "::1".parse().unwrap()])
        .unwrap();
    for listen in ["127.0.0.1", "::1"] {
        let mut listener = TcpListener::bind(any(listen), &TcpConfig::default())
            .await
            .unwrap();
        let to = target(listener.local_addr().unwrap());
        let dialer = TcpDialer::new(&config);
        let (dialed, accepted) = tokio::join!(dialer.dial(&to), listener.accept());
        let local = dialed.unwrap().info.local.unwrap().ip();
        assert_eq!(local.is_ipv4(), listen == "127.0.0.1");
        assert_eq!(local == source, listen == "127.0.0.1", "{local}");
        let accepted = accepted.unwrap().establish().await.unwrap();
        assert_eq!(accepted.info.peer.unwrap().ip(), Some(local));
    }
}

#[tokio::test]
async fn foreign_source_address_fails_with_its_name() {
    let mut config = TcpConfig::default();
    config
        .set_source_addrs(["192.0.2.1".parse().unwrap()])
        .unwrap();
    let listener = TcpListener::bind(any("127.0.0.1"), &TcpConfig::default())
        .await
        .unwrap();
    let to = target(listener.local_addr().unwrap());
    let error = TcpDialer::new(&config).dial(&to).await.unwrap_err();
    let TransportError::Connect { source, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrNotAvailable);
    assert!(
        error.to_string().contains("dial.source_addr = 192.0.2.1"),
        "{error}"
    );
}

#[tokio::test]
async fn code_point_is_set_on_both_sides() {
    let mut config = TcpConfig::default();
    config.set_dscp(EXPEDITED).unwrap();
    for listen in ["127.0.0.1", "::1"] {
        let live = Reloadable::new(config.clone());
        let listener = TcpListener::bind(any(listen), &config).await.unwrap();
        let mut listener = listener.with_config(&live);
        let to = target(listener.local_addr().unwrap());
        // The second connection is accepted after a reload.
        for code in [46, 10] {
            let mut now = TcpConfig::default();
            now.set_dscp(code).unwrap();
            live.replace(now.clone());
            let dialer = TcpDialer::new(&now);
            let (dialed, accepted) = tokio::join!(dialer.dial(&to), listener.accept());
            let accepted = accepted.unwrap().establish().await.unwrap();
            for io in [dialed.unwrap().io, accepted.io] {
                let socket = SockRef::from(io.get_ref());
                let class = match listen {
                    "::1" => socket.tclass_v6(),
                    _ => socket.tos_v4(),
                };
                assert_eq!(u64::from(class.unwrap() >> 2), code, "{listen}");
            }
        }
    }
}

#[tokio::test]
async fn device_limits_listener_and_dial() {
    let mut config = TcpConfig::default();
    config
        .set_bind_device("lo")
        .unwrap()
        .set_dial_device("lo")
        .unwrap();
    let mut listener = TcpListener::bind(any("127.0.0.1"), &config).await.unwrap();
    let to = target(listener.local_addr().unwrap());
    let dialer = TcpDialer::new(&config);
    let (dialed, accepted) = tokio::join!(dialer.dial(&to), listener.accept());
    let io = dialed.unwrap().io;
    let device = SockRef::from(io.get_ref()).device().unwrap();
    assert_eq!(device.as_deref(), Some(&b"lo"[..]));
    accepted.unwrap();
    config.set_bind_device("none0").unwrap();
    let error = TcpListener::bind(any("127.0.0.1"), &config)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("bind_device = none0"), "{error}");
}

/// A mark needs CAP_NET_ADMIN; without it the error says so.
#[tokio::test]
async fn mark_is_set_or_refused_with_advice() {
    let mut config = TcpConfig::default();
    config.set_fwmark(7).unwrap();
    let mut listener = match TcpListener::bind(any("127.0.0.1"), &config).await {
        Ok(listener) => listener,
        Err(error) => {
            assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
            return;
        }
    };
    let to = target(listener.local_addr().unwrap());
    let dialer = TcpDialer::new(&config);
    let (dialed, accepted) = tokio::join!(dialer.dial(&to), listener.accept());
    let accepted = accepted.unwrap().establish().await.unwrap();
    for io in [dialed.unwrap().io, accepted.io] {
        assert_eq!(SockRef::from(io.get_ref()).mark().unwrap(), 7);
    }
}
