//! The accept loop: errors of a connection or the process, handshakes.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use transport_core::{Backend, CloseReason, Dialer, Listener, Reason, TransportError};
use transport_limits::{Guard, Limiter, Limits};
use transport_testkit::{Handshake, MemoryDialer, MemoryListener, MemoryPending, Recorder};

use crate::events::Log;
use crate::harness::{anywhere, assert_took, Rig};

type Errors = Arc<Mutex<VecDeque<io::Error>>>;

/// A listener that returns the given errors first.
struct Failing {
    inner: MemoryListener,
    errors: Errors,
}

impl Listener for Failing {
    type Pending = MemoryPending;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<MemoryPending, TransportError> {
        let error = self.errors.lock().unwrap().pop_front();
        match error {
            Some(error) => Err(error.into()),
            None => self.inner.accept().await,
        }
    }
}

struct Rigged {
    guard: Guard<Failing>,
    dialer: MemoryDialer,
    recorder: Recorder,
    errors: Errors,
}

fn failing(errors: impl IntoIterator<Item = io::Error>) -> Rigged {
    let recorder = Recorder::new();
    let limiter = Limiter::new(&Limits::default(), recorder.observer()).unwrap();
    let (inner, dialer) = MemoryListener::bind(Backend::Tcp);
    let errors = Errors::new(Mutex::new(errors.into_iter().collect()));
    let guard = Guard::new(
        Failing {
            inner,
            errors: errors.clone(),
        },
        &limiter,
    );
    Rigged {
        guard,
        dialer,
        recorder,
        errors,
    }
}

/// `EMFILE`: too many open files.
fn emfile() -> io::Error {
    io::Error::from_raw_os_error(24)
}

#[tokio::test(start_paused = true)]
async fn missing_descriptors_back_off_and_log_once() {
    let (log, _guard) = Log::capture();
    let Rigged {
        mut guard,
        dialer,
        recorder,
        ..
    } = failing((0..8).map(|_| emfile()));
    let _peer = dialer.dial(&anywhere()).await.unwrap();
    let start = Instant::now();
    guard.accept().await.establish().await.unwrap();
    // 10 ms, doubled up to 500 ms.
    let pauses: u64 = [10, 20, 40, 80, 160, 320, 500, 500].iter().sum();
    assert_took(start.elapsed(), Duration::from_millis(pauses));
    assert_eq!(log.count("accepting is paused"), 1);
    assert_eq!(
        (recorder.accepts(), recorder.snapshot().all_rejected()),
        (1, 0)
    );
}

/// At the edge of exhaustion, accepts fail and succeed in turn.
#[tokio::test(start_paused = true)]
async fn alternating_accept_failures_logged_once() {
    let (log, _guard) = Log::capture();
    let Rigged {
        mut guard,
        dialer,
        errors,
        ..
    } = failing([]);
    for _ in 0..20 {
        errors.lock().unwrap().push_back(emfile());
        let _peer = dialer.dial(&anywhere()).await.unwrap();
        guard.accept().await;
    }
    assert_eq!(
        (
            log.count("accepting is paused"),
            log.count("accepting resumed")
        ),
        (1, 0)
    );
    tokio::time::sleep(Duration::from_secs(10)).await;
    let _peer = dialer.dial(&anywhere()).await.unwrap();
    guard.accept().await;
    assert_eq!(log.count("accepting resumed"), 1);
    errors.lock().unwrap().push_back(emfile());
    let _peer = dialer.dial(&anywhere()).await.unwrap();
    let start = Instant::now();
    guard.accept().await;
    assert_took(start.elapsed(), Duration::from_millis(10));
    assert_eq!(log.count("accepting is paused"), 2);
}

#[tokio::test(start_paused = true)]
async fn errors_of_one_connection_skipped_at_once() {
    let kinds = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ];
    let (log, _guard) = Log::capture();
    let Rigged {
        mut guard, dialer, ..
    } = failing((0..100).map(|n| kinds[n % 2].into()));
    let _peer = dialer.dial(&anywhere()).await.unwrap();
    let start = Instant::now();
    guard.accept().await.establish().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(log.count("accepting is paused"), 0);
}

/// A listener whose accepts are always ready.
struct NeverWaiting {
    /// Dials a connection for each accept; without it they fail.
    dialer: Option<MemoryDialer>,
    inner: MemoryListener,
    accepts: Arc<AtomicUsize>,
}

impl Listener for NeverWaiting {
    type Pending = MemoryPending;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<MemoryPending, TransportError> {
        self.accepts.fetch_add(1, Ordering::Relaxed);
        match &self.dialer {
            // Over the cap: each of them is refused at once.
            Some(dialer) => {
                let to = anywhere();
                let _peer = tokio::task::unconstrained(dialer.dial(&to)).await?;
                tokio::task::unconstrained(self.inner.accept()).await
            }
            None => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
        }
    }
}

/// Other tasks run although no accept waits.
async fn others_run_beside(refuses: bool) {
    let recorder = Recorder::new();
    let limits = Limits::new().with_max_conns(1).unwrap();
    let limiter = Limiter::new(&limits, recorder.observer()).unwrap();
    let (inner, dialer) = MemoryListener::bind(Backend::Tcp);
    let accepts = Arc::new(AtomicUsize::new(0));
    let raw = NeverWaiting {
        dialer: refuses.then_some(dialer),
        inner,
        accepts: Arc::clone(&accepts),
    };
    let mut guard = Guard::new(raw, &limiter);
    let accepting = tokio::spawn(async move {
        let _held = match refuses {
            true => Some(guard.accept().await),
            false => None,
        };
        guard.accept().await;
    });
    let mut turns = 0;
    while turns < 100 || accepts.load(Ordering::Relaxed) < 100 {
        tokio::task::yield_now().await;
        turns += 1;
    }
    accepting.abort();
    assert!(accepting.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn failing_accepts_let_other_tasks_run() {
    others_run_beside(false).await;
}

#[tokio::test]
async fn refused_accepts_let_other_tasks_run() {
    others_run_beside(true).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_accept_loses_no_connection() {
    let mut rig = Rig::new(|_| {});
    for _ in 0..100 {
        // Dropped before a connection arrives, and then possibly after one has.
        let early = tokio::time::timeout(Duration::from_millis(1), rig.guard.accept()).await;
        assert!(early.is_err());
        let peer = rig.dialer.dial(&anywhere()).await.unwrap();
        let accepted = tokio::time::timeout(Duration::from_secs(1), rig.guard.accept()).await;
        drop((accepted.expect("the connection was lost"), peer));
    }
    assert_eq!((rig.recorder.accepts(), rig.recorder.inflight()), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn slow_handshake_awaited_and_measured() {
    let slow = Duration::from_millis(300);
    let mut rig = Rig::new(|_| {});
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Takes(slow));
    rig.connect().await;
    let latency = rig.recorder.snapshot().handshakes[0].1;
    assert_took(latency, slow);
}

#[tokio::test(start_paused = true)]
async fn failed_handshake_counted_by_reason() {
    let mut rig = Rig::new(|_| {});
    let dialer = rig.dialer.clone().accept_side(Handshake::Fails);
    let _peer = dialer.dial(&anywhere()).await.unwrap();
    let error = rig.guard.accept().await.establish().await.unwrap_err();
    assert_eq!(error.kind(), "tls");
    assert_eq!(
        (rig.recorder.rejected(Reason::Tls), rig.recorder.inflight()),
        (1, 0)
    );
    assert_eq!(rig.recorder.snapshot().all_closes(), 0);
    assert!(rig.recorder.snapshot().handshakes.is_empty());
}

/// The deadline includes the time before `establish` is called.
#[tokio::test(start_paused = true)]
async fn handshake_deadline_starts_at_accept() {
    let mut rig = Rig::new(|_| {});
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Never);
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    let start = Instant::now();
    let incoming = rig.guard.accept().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    incoming.establish().await.unwrap_err();
    assert_took(start.elapsed(), Duration::from_secs(10));
}

/// A refused dial is not a reject.
#[tokio::test(start_paused = true)]
async fn refused_dial_counted_as_failed() {
    let recorder = Recorder::new();
    let limiter = Limiter::new(&Limits::default(), recorder.observer()).unwrap();
    let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
    drop(listener);
    let error = Guard::new(dialer, &limiter)
        .dial(&anywhere())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "connect");
    assert_eq!(
        (
            recorder.snapshot().dials(false),
            recorder.snapshot().all_rejected()
        ),
        (1, 0)
    );
}

/// Every health check does this. It must not count as a reject.
#[tokio::test]
async fn end_before_handshake_counted_as_close() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| ());
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Unbegun);
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    let end = rig.guard.accept().await.establish().await;
    assert!(matches!(end, Err(TransportError::Closed)));
    let seen = rig.recorder.snapshot();
    assert_eq!((seen.closes(CloseReason::Eof), seen.all_rejected()), (1, 0));
    assert_eq!(seen.inflight(), 0);
    assert_eq!(log.count("event=close"), 1);
    assert_eq!(log.count("reason=eof"), 1);
    assert_eq!(log.count("event=reject"), 0);
}

/// The loop yields to other tasks after many accepts only.
#[tokio::test(start_paused = true)]
async fn waiting_connection_accepted_at_once() {
    let mut rig = Rig::new(|_| {});
    for _ in 0..3 {
        let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
        let accept = std::pin::pin!(rig.guard.accept());
        let mut accept = Some(accept);
        let polled = std::future::poll_fn(|cx| {
            let accept = accept.as_mut().unwrap();
            std::task::Poll::Ready(accept.as_mut().poll(cx).is_ready())
        });
        assert!(polled.await);
    }
}
