//! A system without sock_diag(7) and Multipath TCP.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::time::Duration;

use seccompiler::{
    apply_filter, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use socket2::{Protocol, SockRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport_core::{Dialer, Io, Listener, Pending, Taken};
use transport_tcp::raw::{TcpDialer, TcpIo, TcpListener};
use transport_tcp::TcpConfig;

/// A write that takes longer waits for the peer.
const STALLED: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

/// Refuses both kinds of sockets to this thread, as a sandbox does.
fn refuse_sockets() {
    let refused = |argument, value: libc::c_int| {
        let (width, is) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
        let value = u64::try_from(value).unwrap();
        let condition = SeccompCondition::new(argument, width, is, value).unwrap();
        SeccompRule::new(vec![condition]).unwrap()
    };
    let (family, protocol) = (0, 2);
    let rules = vec![
        refused(family, libc::AF_NETLINK),
        refused(protocol, libc::IPPROTO_MPTCP),
    ];
    let filter = SeccompFilter::new(
        [(libc::SYS_socket, rules)].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

async fn connected(config: &TcpConfig) -> (TcpIo, TcpIo) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listener = TcpListener::bind(any, config).await.unwrap();
    let target = listener.local_addr().unwrap().to_string().parse().unwrap();
    let dialer = TcpDialer::new(config);
    let (dialed, accepted) = tokio::join!(dialer.dial(&target), listener.accept());
    let accepted = accepted.unwrap().establish().await;
    (dialed.unwrap().io, accepted.unwrap().io)
}

/// Writes until the peer has to read; returns the number of bytes.
async fn fill(io: &mut TcpIo) -> usize {
    let mut written = 0;
    while let Ok(wrote) = timeout(STALLED, io.write(&[7; 16 << 10])).await {
        written += wrote.unwrap();
    }
    written
}

fn sent(io: &mut TcpIo) -> usize {
    let Some(Taken::Acknowledged { bytes, in_flight }) = io.taken() else {
        panic!("the bytes that are sent can be counted");
    };
    assert!(in_flight, "whether bytes are under way is not known");
    usize::try_from(bytes).unwrap()
}

#[tokio::test]
async fn sent_bytes_counted_by_writability() {
    refuse_sockets();
    let (mut ours, mut theirs) = connected(&TcpConfig::default()).await;
    for round in 1..=2 {
        let before = sent(&mut ours);
        let written = fill(&mut ours).await;
        let stalled = sent(&mut ours);
        let first = before + written > stalled && stalled > before;
        assert!(first, "round {round}: {before} + {written}, {stalled}");
        // Without a read, nothing is sent.
        assert_eq!(sent(&mut ours), stalled);
        theirs.read_exact(&mut vec![0; written]).await.unwrap();
        let all = async {
            while sent(&mut ours) < before + written - 1024 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, all).await.unwrap();
    }
}

#[tokio::test]
async fn sent_queue_seen_by_writability() {
    refuse_sockets();
    let (mut ours, mut theirs) = connected(&TcpConfig::default()).await;
    assert!(ours.has_sent_all());
    let written = fill(&mut ours).await;
    assert!(!ours.has_sent_all());
    theirs.read_exact(&mut vec![0; written]).await.unwrap();
    let all = async {
        while !ours.has_sent_all() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all).await.unwrap();
}

#[tokio::test]
async fn tcp_used_without_multipath() {
    refuse_sockets();
    let mut config = TcpConfig::default();
    config.set_mptcp(true);
    let warnings = config.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("tcp.mptcp is on, and the kernel has no Multipath TCP"),
        "{warnings:?}"
    );
    let (ours, theirs) = connected(&config).await;
    for io in [ours, theirs] {
        let protocol = SockRef::from(io.get_ref()).protocol().unwrap();
        assert_eq!(protocol, Some(Protocol::TCP));
    }
}
