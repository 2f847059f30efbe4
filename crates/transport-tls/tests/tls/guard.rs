//! Guarded TLS over sockets: deadlines, reasons and delivered alerts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport_core::{CloseReason, Io, Op, Reason, TransportError};
use transport_limits::{Deadlines, Limiter, Limits};
use transport_tcp::raw::{TcpDialer, TcpIo, TcpListener};
use transport_tcp::TcpConfig;
use transport_testkit::Recorder;
use transport_tls::{dialer, listen, PqMode, TlsGuard};

use crate::pki::{Authority, Files, SERVER};
use crate::rig::{files, message};
use crate::rustls_peer::Peer;

const DEADLINE: Duration = Duration::from_millis(200);

pub(crate) struct Guarded {
    pub(crate) guard: TlsGuard<TcpListener>,
    pub(crate) addr: SocketAddr,
    limiter: Limiter,
    pub(crate) recorder: Recorder,
    files: Files,
    pub(crate) authority: Authority,
}

async fn guarded(deadline: Duration) -> Guarded {
    guarded_with(|deadlines| deadlines.handshake = deadline).await
}

/// Starts a listener with these deadlines.
pub(crate) async fn guarded_with(set: impl FnOnce(&mut Deadlines)) -> Guarded {
    let (files, authority) = files();
    let recorder = Recorder::new();
    let mut limits = Limits::default();
    let mut deadlines = limits.deadlines();
    set(&mut deadlines);
    limits.set_deadlines(deadlines).unwrap();
    let limiter = Limiter::new(&limits, recorder.observer()).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let raw = TcpListener::bind(any, &TcpConfig::default()).await.unwrap();
    let addr = raw.local_addr().unwrap();
    let guard = listen(raw, &files.server_config(), PqMode::Hybrid, &limiter).unwrap();
    Guarded {
        guard,
        addr,
        limiter,
        recorder,
        files,
        authority,
    }
}

#[tokio::test]
async fn constructors_join_listener_and_dialer() {
    let mut rig = guarded(Duration::from_secs(10)).await;
    assert!(rig.recorder.snapshot().certificate_expiry.is_some());
    let mut config = rig.files.client_config();
    config.set_sni_override(Some(SERVER.into())).unwrap();
    let dialer = dialer(TcpDialer::default(), &config, PqMode::Hybrid, &rig.limiter).unwrap();
    let target = rig.addr.to_string().parse().unwrap();
    let (ours, theirs) = tokio::join!(
        async { rig.guard.accept().await.establish().await },
        dialer.dial(&target)
    );
    let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
    theirs.io.write_all(b"over tcp").await.unwrap();
    theirs.io.shutdown().await.unwrap();
    let mut got = Vec::new();
    ours.io.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"over tcp");
    assert!(ours.info.local.is_some() && ours.info.peer.is_some());
    assert!(theirs.info.steps.connect().is_some() && theirs.info.steps.handshake().is_some());
    drop((ours, theirs));
    let seen = rig.recorder.snapshot();
    assert_eq!(seen.tls_handshakes.len(), 2, "one per end");
    assert!(seen.tls_handshakes.iter().all(|shake| shake.ok));
    assert_eq!((seen.dials(true), seen.closes(CloseReason::Eof)), (1, 2));
}

async fn times_out(mut rig: Guarded, first: &[u8]) {
    let mut peer = TcpStream::connect(rig.addr).await.unwrap();
    peer.write_all(first).await.unwrap();
    let incoming = rig.guard.accept().await;
    let started = Instant::now();
    let error = incoming.establish().await.unwrap_err();
    let took = started.elapsed();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Handshake }),
        "{error:?}"
    );
    assert!(
        took + DEADLINE / 4 >= DEADLINE && took <= DEADLINE * 10,
        "{took:?}"
    );
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
    assert_eq!(rig.recorder.rejected(Reason::Tls), 0);
    let shakes = rig.recorder.snapshot().tls_handshakes;
    assert_eq!(shakes.len(), 1, "an unfinished handshake is counted");
    assert!(!shakes[0].ok);
    assert_eq!(peer.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn silent_peer_times_out() {
    times_out(guarded(DEADLINE).await, b"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_peer_times_out_on_many_threads() {
    times_out(guarded(DEADLINE).await, b"").await;
}

#[tokio::test]
async fn partial_hello_times_out() {
    times_out(guarded(DEADLINE).await, &[22, 3, 1, 2, 0, 1, 0]).await;
}

/// The alert arrives although more bytes are in flight.
///
/// A plain close would reset the connection and destroy the alert.
async fn alert_arrives(mut rig: Guarded) {
    let peer = async {
        let mut io = TcpStream::connect(rig.addr).await.unwrap();
        let mut request = b"POST / HTTP/1.1\r\n\r\n".to_vec();
        request.resize(48 << 10, b'x');
        io.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let accept = async { rig.guard.accept().await.establish().await.unwrap_err() };
    let (answer, error) = tokio::join!(peer, accept);
    assert_eq!(message(&error), "the peer spoke HTTP, not TLS");
    // A fatal alert record.
    assert_eq!((answer[0], answer[5]), (21, 2));
    assert_eq!(rig.recorder.rejected(Reason::Tls), 1);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 1);
}

#[tokio::test]
async fn alert_is_delivered() {
    alert_arrives(guarded(Duration::from_secs(10)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alert_is_delivered_on_many_threads() {
    alert_arrives(guarded(Duration::from_secs(10)).await).await;
}

/// A failed handshake is not counted as a timeout.
///
/// The peer stays connected.
#[tokio::test]
async fn lingering_peer_is_not_a_timeout() {
    let mut rig = guarded(DEADLINE * 2).await;
    let mut peer = TcpStream::connect(rig.addr).await.unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = rig.guard.accept().await.establish().await.unwrap_err();
    assert_eq!(message(&error), "the peer spoke HTTP, not TLS");
    assert_eq!(rig.recorder.rejected(Reason::Tls), 1);
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 0);
}

async fn health_checks_are_closes(mut rig: Guarded) {
    for reset in [false, true] {
        let mut check = TcpIo::new(TcpStream::connect(rig.addr).await.unwrap());
        if reset {
            check.abort();
        }
        drop(check);
        rig.guard.accept().await.establish().await.unwrap_err();
    }
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
    assert_eq!(rig.recorder.closes(CloseReason::Reset), 1);
    let seen = rig.recorder.snapshot();
    assert_eq!((seen.all_rejected(), seen.tls_handshakes.len()), (0, 0));
    assert_eq!(seen.inflight(), 0);
}

#[tokio::test]
async fn health_check_is_close() {
    health_checks_are_closes(guarded(Duration::from_secs(10)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_check_is_close_on_many_threads() {
    health_checks_are_closes(guarded(Duration::from_secs(10)).await).await;
}

/// A client that closes its socket with unread tickets resets the connection.
async fn clients_leave_their_tickets(mut rig: Guarded) {
    const CLIENTS: u64 = 20;
    for n in 0..CLIENTS {
        let leaving = async {
            let io = TcpStream::connect(rig.addr).await.unwrap();
            let mut peer = Peer::connect(io, &rig.authority).await;
            let last = peer.records(b"", true);
            // Before and after the tickets arrive.
            if n % 2 == 0 {
                peer.io.readable().await.unwrap();
            }
            peer.send(&last).await;
        };
        let serving = async {
            let mut ours = rig.guard.accept().await.establish().await.unwrap().io;
            assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
            ours
        };
        let ((), mut ours) = tokio::join!(leaving, serving);
        ours.shutdown().await.unwrap();
    }
    assert_eq!(rig.recorder.closes(CloseReason::Eof), CLIENTS);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

#[tokio::test]
async fn unread_tickets_end_as_eof() {
    clients_leave_their_tickets(guarded(Duration::from_secs(10)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_tickets_end_as_eof_on_many_threads() {
    clients_leave_their_tickets(guarded(Duration::from_secs(10)).await).await;
}
