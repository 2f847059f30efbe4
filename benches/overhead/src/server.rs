//! The compared echo servers, each on its own thread and runtime.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use transport_core::schema::Section;
use transport_core::{Backend, Io, NoObserver, Observer, TaskKind};
use transport_limits::{Limiter, Limits};
use transport_metrics::{MetricsObserver, Prometheus};
use transport_tcp::TcpConfig;

/// The subject of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// tokio alone.
    Bare,
    /// A guarded connection of a static type.
    Guarded,
    /// A guarded connection behind a box, as the facade returns it.
    Boxed,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Guarded, Self::Boxed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare tokio",
            Self::Guarded => "guarded",
            Self::Boxed => "guarded and boxed",
        }
    }
}

/// The observer of the guarded modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The metrics facade with a Prometheus recorder, as the gateway has it.
    Prometheus,
    /// No observer: the library alone.
    Nobody,
}

/// A running server.
pub(crate) struct Server {
    addr: SocketAddr,
    ask: mpsc::SyncSender<()>,
    cpu: mpsc::Receiver<f64>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn start(mode: Mode, counting: Counting) -> Self {
        let (ask, asked) = mpsc::sync_channel(1);
        let (answer, cpu) = mpsc::sync_channel(1);
        let (ready, bound) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let clock = thread_clock();
            // Another thread reads this thread's clock, so that the reading does not wake the
            // runtime.
            std::thread::spawn(move || {
                while asked.recv().is_ok() {
                    if answer.send(clock()).is_err() {
                        return;
                    }
                }
            });
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = serve(mode, counting, ready) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            addr: bound.recv().unwrap(),
            ask,
            cpu,
            _stop: stop,
        }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the CPU seconds, user and system, of the serving thread.
    pub(crate) fn cpu(&self) -> f64 {
        self.ask.send(()).unwrap();
        self.cpu.recv().unwrap()
    }
}

/// Returns a closure that reads the CPU time of the current thread.
///
/// It is the scheduler's figure in nanoseconds (`/proc/…/schedstat`, first field), from which
/// `getrusage` is derived.
fn thread_clock() -> impl Fn() -> f64 + Send {
    let me = rustix::thread::gettid().as_raw_nonzero();
    let path = format!("/proc/self/task/{me}/schedstat");
    move || {
        let text = std::fs::read_to_string(&path).unwrap();
        let nanos: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
        nanos / 1e9
    }
}

async fn serve(mode: Mode, counting: Counting, ready: mpsc::SyncSender<SocketAddr>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    if mode == Mode::Bare {
        let listener = TcpListener::bind(any).await.unwrap();
        ready.send(listener.local_addr().unwrap()).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(echo(stream));
        }
    }
    let observer: Arc<dyn Observer> = match counting {
        Counting::Nobody => Arc::new(NoObserver),
        Counting::Prometheus => {
            let prometheus = Prometheus::new().unwrap();
            let recorder = prometheus.recorder();
            Arc::new(MetricsObserver::with_recorder(recorder, &[Backend::Tcp]))
        }
    };
    let limiter = Limiter::new(&every_limit(), observer).unwrap();
    let config = TcpConfig::default();
    let mut guard = transport_tcp::listen(any, &config, &limiter).await.unwrap();
    ready.send(guard.get_ref().local_addr().unwrap()).unwrap();
    loop {
        let connection = guard.accept().await.establish().await.unwrap();
        if mode == Mode::Boxed {
            let boxed: Box<dyn Io> = Box::new(connection.io);
            limiter.tasks().spawn(TaskKind::Serve, echo(boxed));
        } else {
            limiter.tasks().spawn(TaskKind::Serve, echo(connection.io));
        }
    }
}

/// Every limit on, with rates that are never reached.
pub(crate) fn every_limit() -> Limits {
    let mut limits = Limits::default();
    for (path, value) in [
        ("rates.per_conn_bytes_per_sec", "1024GiB"),
        ("rates.per_peer_bytes_per_sec", "1024GiB"),
        ("rates.global_ingress_bytes_per_sec", "1024GiB"),
        ("rates.global_egress_bytes_per_sec", "1024GiB"),
        ("rates.accepts_per_sec", "1000000"),
        ("per_peer.accepts_per_sec", "1000000"),
        ("per_peer.max_conns", "1000000"),
        ("max_conns", "1000000"),
        ("max_lifetime", "1h"),
    ] {
        limits.set(path, &value.into()).unwrap();
    }
    limits
}

/// The echo loop of every mode.
async fn echo<I: AsyncRead + AsyncWrite + Unpin>(mut io: I) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = io.read(&mut buffer).await {
        if io.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
