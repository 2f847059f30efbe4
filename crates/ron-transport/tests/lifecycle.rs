//! The life cycle of a transport: ready, serving, draining, dropped. Tests of tasks and threads run
//! under both runtimes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{
    echo, CloseReason, Conn, Endpoint, ErrorKind, PeerAddr, ReadyReason, ReadyState, Reason,
    Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use transport_core::TaskKind;
use transport_testkit::Recorder;

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn listening(recorder: &Recorder) -> (Arc<Transport>, SocketAddr) {
    let builder = Transport::builder().bind_addr(any());
    let transport = builder.observer(recorder.observer()).build().unwrap();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    (Arc::new(transport), addr)
}

async fn echoing(conn: Conn) {
    drop(echo(conn).await);
}

/// Connects and exchanges a byte with the handler.
async fn served(addr: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    client
}

/// Asserts that the connection is reset.
///
/// The client must not take it for a complete stream.
async fn aborted(client: &mut TcpStream) {
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

fn not_ready(reason: ReadyReason) -> ReadyState {
    ReadyState::NotReady { reason }
}

#[tokio::test]
async fn readiness_reports_each_transition_once() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    let mut ready = transport.readiness();
    assert_eq!(*ready.borrow_and_update(), ReadyState::Ready);
    let serving = Arc::clone(&transport);
    let serving = tokio::spawn(async move { serving.serve(echoing).await });
    drop(served(addr).await);
    let report = transport.shutdown(Duration::from_secs(5)).await;
    assert_eq!(report.aborted, 0);
    serving.await.unwrap().unwrap();
    assert_eq!(
        recorder.snapshot().readiness,
        [
            not_ready(ReadyReason::Starting),
            ReadyState::Ready,
            not_ready(ReadyReason::Draining),
            not_ready(ReadyReason::Stopped),
        ]
    );
    assert!(
        TcpStream::connect(addr).await.is_err(),
        "the listener must be closed"
    );
}

#[tokio::test]
async fn port_in_use_names_the_address() {
    let recorder = Recorder::new();
    let (_first, addr) = listening(&recorder).await;
    let second = Transport::builder().bind_addr(addr);
    let second = second.observer(Recorder::new().observer()).build().unwrap();
    let error = second.listen().await.unwrap_err();
    assert_eq!(error.kind(), "bind");
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
    assert_eq!(
        *second.readiness().borrow(),
        not_ready(ReadyReason::BindFailed)
    );
    let unserved = second.serve(echoing).await.unwrap_err();
    assert_eq!(unserved.kind(), "state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panicking_handler_frees_its_place() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    let serving = Arc::clone(&transport);
    tokio::spawn(async move {
        let handler = |mut conn: Conn| async move {
            let byte = conn.read_u8().await.unwrap();
            assert_ne!(byte, b'!', "the test panics here");
            echoing(conn).await;
        };
        serving.serve(handler).await
    });
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(b"!").await.unwrap();
    recorder
        .wait_for("a free place", |s| s.inflight() == 0 && s.accepts() == 1)
        .await;
    aborted(&mut client).await;
    recorder
        .wait_for("an aborted task", |s| s.tasks_aborted(TaskKind::Serve) == 1)
        .await;
    let mut next = TcpStream::connect(addr).await.unwrap();
    next.write_all(b".x").await.unwrap();
    assert_eq!(next.read_u8().await.unwrap(), b'x');
}

async fn drain_idle_and_busy() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    let serving = Arc::clone(&transport);
    tokio::spawn(async move { serving.serve(echoing).await });
    let _idle = served(addr).await;
    let mut busy = served(addr).await;
    let busy = tokio::spawn(async move {
        while busy.write_all(b"y").await.is_ok() && busy.read_u8().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let started = Instant::now();
    let report = transport.shutdown(Duration::from_millis(1500)).await;
    let took = started.elapsed();
    busy.await.unwrap();
    let ends = (report.finished, report.closed_idle, report.aborted);
    assert_eq!(ends, (0, 1, 1));
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(recorder.closes(CloseReason::Cancelled), 2);
    assert_eq!(recorder.inflight(), 0);
    assert!(transport.connections().is_empty());
}

#[tokio::test]
async fn drain_with_idle_and_busy_connections() {
    drain_idle_and_busy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_with_idle_and_busy_on_threads() {
    drain_idle_and_busy().await;
}

#[tokio::test]
async fn dropped_transport_ends_its_connections() {
    let recorder = Recorder::new();
    let builder = Transport::builder().bind_addr(any());
    let transport = builder.observer(recorder.observer()).build().unwrap();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let dialer = transport.dialer();
    let serving = tokio::spawn(async move { transport.serve(echoing).await });
    let mut client = served(addr).await;
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    aborted(&mut client).await;
    recorder
        .wait_for("the end of all connections", |s| s.inflight() == 0)
        .await;
    let to: Endpoint = format!("tcp://{addr}").parse().unwrap();
    assert_eq!(dialer.dial(&to).await.unwrap_err().kind(), "cancelled");
}

#[tokio::test]
async fn handler_that_ignores_the_end_is_dropped() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    let serving = Arc::clone(&transport);
    tokio::spawn(async move {
        let handler = |conn: Conn| async move {
            let _held = conn;
            std::future::pending::<()>().await;
        };
        serving.serve(handler).await
    });
    let mut client = TcpStream::connect(addr).await.unwrap();
    recorder
        .wait_for("the handler", |s| s.tasks_spawned(TaskKind::Serve) == 1)
        .await;
    for control in transport.connections() {
        control.cancel();
    }
    aborted(&mut client).await;
    recorder
        .wait_for("the end of the handler", |s| {
            s.tasks_aborted(TaskKind::Serve) == 1
        })
        .await;
    assert_eq!(recorder.inflight(), 0);
}

#[tokio::test]
async fn handler_continues_after_closing_its_stream() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    let (done, finished) = tokio::sync::mpsc::channel(1);
    let serving = Arc::clone(&transport);
    tokio::spawn(async move {
        let handler = move |conn: Conn| {
            let done = done.clone();
            async move {
                drop(conn);
                tokio::time::sleep(Duration::from_millis(200)).await;
                done.send(()).await.unwrap();
            }
        };
        serving.serve(handler).await
    });
    let _client = TcpStream::connect(addr).await.unwrap();
    let mut finished = finished;
    assert_eq!(finished.recv().await, Some(()));
    assert_eq!(recorder.tasks_aborted(TaskKind::Serve), 0);
}

#[tokio::test]
async fn own_accept_loop() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    let mut client = TcpStream::connect(addr).await.unwrap();
    let incoming = transport.accept().await.unwrap().unwrap();
    let id = incoming.id();
    let mut conn = incoming.establish().await.unwrap();
    assert_eq!(conn.control().id(), id);
    conn.write_all(b"hi").await.unwrap();
    assert_eq!(client.read_u16().await.unwrap(), u16::from_be_bytes(*b"hi"));
    drop(conn);
    let _refused = TcpStream::connect(addr).await.unwrap();
    drop(transport.accept().await.unwrap().unwrap());
    recorder
        .wait_for("two free places", |s| s.inflight() == 0)
        .await;
    let accepting = Arc::clone(&transport);
    let accepting = tokio::spawn(async move { accepting.accept().await });
    tokio::task::yield_now().await;
    transport.shutdown(Duration::ZERO).await;
    assert!(accepting.await.unwrap().unwrap().is_none());
    assert!(transport.accept().await.unwrap().is_none());
    assert!(
        TcpStream::connect(addr).await.is_err(),
        "accept() must not put the listener back"
    );
}

#[tokio::test]
async fn second_listen_refused() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    assert_eq!(transport.listen().await.unwrap_err().kind(), "state");
    assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
    let _client = TcpStream::connect(addr).await.unwrap();
    transport.shutdown(Duration::ZERO).await;
    assert_eq!(transport.listen().await.unwrap_err().kind(), "state");
    assert_eq!(
        *transport.readiness().borrow(),
        not_ready(ReadyReason::Stopped)
    );
}

/// Connections without a handshake do not count as pending handshakes.
///
/// Their backend has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_connections_served() {
    let mut limits = ron_transport::Limits::default();
    limits.set_max_pending_handshakes(1).unwrap();
    let recorder = Recorder::new();
    let builder = Transport::builder().bind_addr(any()).limits(limits);
    let transport = builder.observer(recorder.observer()).build().unwrap();
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    tokio::spawn(async move { transport.serve(echoing).await });
    let burst = (0..300).map(|_| tokio::spawn(served(addr)));
    let burst: Vec<_> = burst.collect();
    let mut held = Vec::new();
    for client in burst {
        held.push(client.await.unwrap());
    }
    assert_eq!(recorder.snapshot().all_rejected(), 0);
}

#[tokio::test]
async fn transport_without_address_dials() {
    let recorder = Recorder::new();
    let (server, addr) = listening(&recorder).await;
    let serving = Arc::clone(&server);
    tokio::spawn(async move { serving.serve(echoing).await });
    let counted = Recorder::new();
    let client = Transport::builder()
        .observer(counted.observer())
        .build()
        .unwrap();
    assert_eq!(*client.readiness().borrow(), ReadyState::Ready);
    let to: Endpoint = format!("tcp://{addr}").parse().unwrap();
    let mut conn = client.dial(&to).await.unwrap();
    assert!(conn.info().steps.connect().is_some());
    conn.write_all(b"x").await.unwrap();
    assert_eq!(conn.read_u8().await.unwrap(), b'x');
    assert_eq!(counted.inflight(), 1);
    drop(conn);
    counted
        .wait_for("the peer's close", |s| s.inflight() == 0)
        .await;
    assert_eq!(counted.snapshot().dials(true), 1);
    assert_eq!(client.tor_progress(), None);
    #[cfg(not(feature = "arti"))]
    {
        let missing: Endpoint = "tor://localhost:1".parse().unwrap();
        let error = client.dial(&missing).await.unwrap_err();
        assert!(
            matches!(error, ron_transport::TransportError::Unsupported { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("`arti`"), "{error}");
    }
    assert_eq!(client.listen().await.unwrap_err().kind(), "config");
}

#[tokio::test]
async fn dial_to_closed_port_counted_once() {
    let recorder = Recorder::new();
    let client = Transport::builder()
        .observer(recorder.observer())
        .build()
        .unwrap();
    let listener = tokio::net::TcpListener::bind(any()).await.unwrap();
    let to: Endpoint = format!("tcp://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let error = client.dial(&to).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_retryable());
    assert_eq!(recorder.snapshot().dials(false), 1);
    assert_eq!(
        recorder.rejected(Reason::Upstream),
        0,
        "only the embedder counts upstream failures"
    );
    assert_eq!(recorder.inflight(), 0);
}

#[tokio::test]
async fn connections_paged_and_cancelled_by_id() {
    let recorder = Recorder::new();
    let (transport, addr) = listening(&recorder).await;
    let serving = Arc::clone(&transport);
    tokio::spawn(async move { serving.serve(echoing).await });
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(served(addr).await);
    }
    let all = transport.connections_after(0, 10);
    let ids: Vec<u64> = all.iter().map(|conn| conn.id).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.windows(2).all(|two| two[0] < two[1]), "{ids:?}");
    let page = |after, max| {
        let page = transport.connections_after(after, max);
        page.iter().map(|conn| conn.id).collect::<Vec<u64>>()
    };
    assert_eq!(page(0, 2), ids[..2]);
    assert_eq!(page(ids[1], 2), ids[2..]);
    assert!(page(ids[2], 2).is_empty());
    for (conn, client) in all.iter().zip(&clients) {
        assert!(conn.accepted && !conn.throttled);
        assert_eq!((conn.bytes_in, conn.bytes_out), (1, 1));
        assert_eq!(conn.peer, Some(PeerAddr::Ip(client.local_addr().unwrap())));
        assert!(conn.idle <= conn.age, "{conn:?}");
    }
    assert!(transport.cancel(ids[1]));
    aborted(&mut clients[1]).await;
    assert!(!transport.cancel(ids[1]), "the connection has ended");
    assert!(!transport.cancel(u64::MAX));
    assert_eq!(page(0, 10), [ids[0], ids[2]]);
    transport.shutdown(Duration::ZERO).await;
}
