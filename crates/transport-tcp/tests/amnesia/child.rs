//! The searched process: serves over TCP, and reports rest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport_core::{NoObserver, Target};
use transport_limits::{echo, framed, relay, Control, FrameReader, GuardedIo, Limiter, Limits};
use transport_tcp::{TcpConfig, TcpGuard};

/// The environment variable with a child's [`Job`].
pub(crate) const JOB: &str = "AMNESIA_TEST_JOB";
/// Far longer than a peer blocks deliberately.
const PATIENCE: Duration = Duration::from_secs(60);

/// The use of the payload.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Read as whole frames, sent back as frames.
    Whole,
    /// Read in chunks, each sent back as a frame.
    Chunks,
    Echo,
    /// Relayed to the peer's upstream.
    Relay,
}

impl Mode {
    fn parse(text: &str) -> Self {
        [Self::Whole, Self::Chunks, Self::Echo, Self::Relay]
            .into_iter()
            .find(|mode| format!("{mode:?}") == text)
            .unwrap()
    }
}

/// Formats a job: mode, amnesia, and the addresses of parent and upstream.
pub(crate) fn job(mode: Mode, amnesia: bool, parent: SocketAddr, upstream: SocketAddr) -> String {
    format!("{mode:?} {amnesia} {parent} {upstream}")
}

/// Serves until the parent closes the connection.
///
/// Answers each number that the parent sends once so many connections are open. All tasks share one
/// thread, so earlier work has ended by then.
pub(crate) fn serve(job: &str) {
    let [mode, amnesia, parent, upstream] = job.split(' ').collect::<Vec<_>>()[..] else {
        panic!("not a job: {job}");
    };
    let (mode, amnesia) = (Mode::parse(mode), amnesia.parse().unwrap());
    let upstream: SocketAddr = upstream.parse().unwrap();
    let limiter = limiter(amnesia);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let guard = transport_tcp::listen(anywhere, &TcpConfig::default(), &limiter)
            .await
            .unwrap();
        let port = guard.get_ref().local_addr().unwrap().port();
        tokio::spawn(accept(guard, mode, upstream, limiter.clone()));
        let mut parent = TcpStream::connect(parent).await.unwrap();
        parent.write_u16(port).await.unwrap();
        while let Ok(open) = parent.read_u8().await {
            while limiter.open() != usize::from(open) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            parent.write_u8(open).await.unwrap();
        }
    });
}

fn limiter(amnesia: bool) -> Limiter {
    let mut limits = Limits::default();
    let mut deadlines = limits.deadlines();
    (deadlines.read, deadlines.write) = (PATIENCE, PATIENCE);
    limits.set_deadlines(deadlines).unwrap();
    limits.set_amnesia(amnesia);
    Limiter::new(&limits, Arc::new(NoObserver)).unwrap()
}

async fn accept(mut guard: TcpGuard, mode: Mode, upstream: SocketAddr, limiter: Limiter) {
    loop {
        let incoming = guard.accept().await;
        let limiter = limiter.clone();
        tokio::spawn(async move {
            let io = incoming.establish().await.unwrap().io;
            match mode {
                Mode::Echo => drop(echo(io).await),
                Mode::Relay => {
                    let dialer = transport_tcp::dialer(&TcpConfig::default(), &limiter);
                    let to = Target::host(upstream.ip().to_string(), upstream.port()).unwrap();
                    let there = dialer.dial(&to).await.unwrap();
                    drop(relay(io, there.io).await);
                }
                Mode::Whole | Mode::Chunks => {
                    let control = io.control();
                    echo_frames(io, &control, mode).await;
                }
            }
        });
    }
}

/// Ends with the peer, however the peer ends.
async fn echo_frames<I: transport_core::Io>(io: GuardedIo<I>, control: &Control, mode: Mode) {
    let (mut frames, sender) = framed(io, control);
    while let Some(bytes) = next(&mut frames, mode).await {
        if sender.send(bytes).await.is_err() {
            return;
        }
    }
}

async fn next<R>(frames: &mut FrameReader<R>, mode: Mode) -> Option<bytes::Bytes>
where
    R: tokio::io::AsyncRead + Unpin,
{
    match mode {
        Mode::Whole => frames.read_frame().await.ok()?,
        _ => frames.read_chunk().await.ok()?.map(|chunk| chunk.bytes),
    }
}
