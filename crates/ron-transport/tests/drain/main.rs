//! Drains as embedders see them.
//!
//! HTTP/1.1 by hyper, frames, a custom shutdown order. Each test runs under both runtimes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod counts;
mod http;

use std::future::{pending, Future};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{
    echo, Conn, DrainReport, Limits, Op, ReadyReason, ReadyState, Transport, TransportError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout, Instant};
use transport_testkit::{both, Recorder};

use counts::{backlog_counts_as_open_at_drain, late_dial_is_not_counted};
use http::{
    http_answers_reset_at_deadline, http_answers_whole_with_graceful_shutdown,
    http_answers_whole_with_unaware_handler,
};

/// A drain deadline that no test should reach.
const AMPLE: Duration = Duration::from_secs(5);
/// Frames that a client sends at once.
///
/// The handler takes `FRAME_TAKES` for each.
const FRAMES: usize = 3;
const FRAME_TAKES: Duration = Duration::from_millis(350);

both! {
    http_answers_whole_with_graceful_shutdown
    http_answers_whole_with_unaware_handler
    http_answers_reset_at_deadline
    frames_answered_during_drain
    draining_wakes_handler
    stop_accepting_serves_open_clients
    ended_stream_held_by_handler
    idle_timeout_of_handed_on_stream
    backlog_counts_as_open_at_drain
    late_dial_is_not_counted
}

/// A serving transport.
struct Served {
    transport: Arc<Transport>,
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Served {
    async fn start<H, F>(limits: Limits, handler: H) -> Self
    where
        H: Fn(Conn) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let builder = Transport::builder().bind_addr(SocketAddr::from(([127, 0, 0, 1], 0)));
        let builder = builder.limits(limits).observer(Recorder::new().observer());
        let transport = Arc::new(builder.build().unwrap());
        let addr = transport.listen().await.unwrap().socket_addr().unwrap();
        let also = Arc::clone(&transport);
        Self {
            serving: tokio::spawn(async move { also.serve(handler).await.unwrap() }),
            transport,
            addr,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }
}

/// Asserts that the connection ends in order.
async fn ends_in_order(client: &mut TcpStream) {
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

/// Returns the counts of a report: finished, closed idle, aborted.
fn ends(report: &DrainReport) -> [usize; 3] {
    [report.finished, report.closed_idle, report.aborted]
}

async fn frames_answered_during_drain() {
    const CLIENTS: usize = 20;
    let at_work = Arc::new(Semaphore::new(0));
    let also = Arc::clone(&at_work);
    let handler = move |conn: Conn| {
        let at_work = Arc::clone(&also);
        async move {
            let (mut frames, sender) = conn.into_framed();
            while let Ok(Some(frame)) = frames.read_frame().await {
                at_work.add_permits(1);
                sleep(FRAME_TAKES).await;
                sender.send(frame).await.unwrap();
            }
        }
    };
    let served = Served::start(Limits::default(), handler).await;
    let mut clients = JoinSet::new();
    let frame = [&1000_u32.to_be_bytes()[..], &[9; 1000]].concat();
    for _ in 0..CLIENTS {
        let mut client = served.connect().await;
        let sent = frame.repeat(FRAMES);
        client.write_all(&sent).await.unwrap();
        clients.spawn(async move {
            let mut back = Vec::new();
            client.read_to_end(&mut back).await.unwrap();
            assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
        });
    }
    let all = u32::try_from(CLIENTS).unwrap();
    drop(at_work.acquire_many(all).await.unwrap());
    let report = served.transport.shutdown(AMPLE).await;
    clients.join_all().await;
    assert_eq!(ends(&report), [0, CLIENTS, 0]);
}

async fn draining_wakes_handler() {
    let handler = |mut conn: Conn| async move {
        let draining = conn.draining();
        conn.write_all(b"?").await.unwrap();
        tokio::select! {
            biased;
            read = conn.read_u8() => panic!("unexpected read: {read:?}"),
            () = draining => conn.write_all(b"bye").await.unwrap(),
        }
    };
    let served = Served::start(Limits::default(), handler).await;
    let mut client = served.connect().await;
    assert_eq!(client.read_u8().await.unwrap(), b'?');
    let reading = tokio::spawn(async move {
        let mut last = String::new();
        client.read_to_string(&mut last).await.unwrap();
        last
    });
    let report = served.transport.shutdown(AMPLE).await;
    assert_eq!(ends(&report), [1, 0, 0]);
    assert_eq!(reading.await.unwrap(), "bye");
}

async fn stop_accepting_serves_open_clients() {
    let served = Served::start(Limits::default(), |conn| async { drop(echo(conn).await) }).await;
    let transport = &served.transport;
    let mut client = served.connect().await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    transport.stop_accepting().await;
    let refused = TcpStream::connect(served.addr).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let reason = ReadyReason::Draining;
    assert_eq!(
        *transport.readiness().borrow(),
        ReadyState::NotReady { reason }
    );
    served.serving.await.unwrap();
    client.write_all(b"y").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'y');
    let empty = timeout(Duration::from_millis(200), transport.wait_empty()).await;
    assert!(empty.is_err(), "a connection is open");
    drop(client);
    timeout(AMPLE, transport.wait_empty()).await.unwrap();
    assert!(transport.connections().is_empty());
    let report = transport.shutdown(AMPLE).await;
    assert_eq!(ends(&report), [0, 0, 0]);
}

async fn ended_stream_held_by_handler() {
    let handler = |mut conn: Conn| async move {
        conn.read_to_end(&mut Vec::new()).await.unwrap();
        conn.shutdown().await.unwrap();
        pending::<()>().await;
    };
    let served = Served::start(Limits::default(), handler).await;
    let mut client = served.connect().await;
    client.shutdown().await.unwrap();
    ends_in_order(&mut client).await;
    timeout(AMPLE, served.transport.wait_empty()).await.unwrap();
    assert_eq!(
        served.transport.connections().len(),
        1,
        "the handler holds the stream"
    );
    let report = served.transport.shutdown(AMPLE).await;
    assert_eq!(ends(&report), [0, 0, 0]);
    assert!(report.took < AMPLE, "{report:?}");
}

async fn idle_timeout_of_handed_on_stream() {
    // The smallest allowed value.
    let idle = Duration::from_secs(1);
    let mut limits = Limits::default();
    let mut deadlines = limits.deadlines();
    deadlines.idle = idle;
    limits.set_deadlines(deadlines).unwrap();
    let (tell, mut controls) = mpsc::channel(1);
    let handler = move |conn: Conn| {
        let tell = tell.clone();
        async move {
            tell.send(conn.control().clone()).await.unwrap();
            tokio::spawn(async move {
                let _held = conn;
                pending::<()>().await;
            });
        }
    };
    let served = Served::start(limits, handler).await;
    let started = Instant::now();
    let mut client = served.connect().await;
    let control = controls.recv().await.unwrap();
    assert!(!control.is_ended());
    let mut rest = Vec::new();
    let end = timeout(idle * 10, client.read_to_end(&mut rest));
    assert_eq!(
        end.await.unwrap().unwrap(),
        0,
        "the connection must end in order"
    );
    assert!(started.elapsed() >= idle, "{:?}", started.elapsed());
    drop(client);
    timeout(AMPLE, served.transport.wait_empty()).await.unwrap();
    assert!(
        served.transport.connections().is_empty(),
        "its place must be free"
    );
    let error = control.ended().await;
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Idle, .. }),
        "{error}"
    );
}
