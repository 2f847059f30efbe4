//! A scripted stream that records the guard's calls.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{sleep, Instant};
use transport_core::{
    Backend, ConnInfo, Connection, Io, Listener, PeerAddr, Pending, Taken, TransportError,
};
use transport_limits::{Guard, GuardedIo, Limiter, Limits};
use transport_testkit::Recorder;

/// The longest lingering close.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

pub(crate) type Script = Arc<Mutex<Steps>>;

/// The behaviour of a stream, and what was done to it.
#[derive(Default)]
pub(crate) struct Steps {
    /// Bytes that reads return before they wait.
    pub(crate) to_read: usize,
    /// Whether reads then return an end of stream.
    pub(crate) ends: bool,
    pub(crate) read_fails: Option<io::ErrorKind>,
    pub(crate) shutdown_fails: Option<io::ErrorKind>,
    /// Sends nothing before this moment.
    pub(crate) sent_at: Option<Instant>,
    pub(crate) is_vectored: bool,
    pub(crate) read: usize,
    pub(crate) done: Vec<&'static str>,
    pub(crate) aborted_at: Option<Instant>,
}

pub(crate) struct ScriptedIo {
    script: Script,
    reset: Arc<Notify>,
}

impl ScriptedIo {
    fn note(&self, what: &'static str) {
        self.script.lock().unwrap().done.push(what);
    }
}

impl Drop for ScriptedIo {
    fn drop(&mut self) {
        self.note("drop");
    }
}

impl AsyncRead for ScriptedIo {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.script.lock().unwrap();
        let bytes = buf.remaining().min(script.to_read);
        if bytes > 0 {
            buf.initialize_unfilled_to(bytes);
            buf.advance(bytes);
            script.to_read -= bytes;
            script.read += bytes;
            return Poll::Ready(Ok(()));
        }
        if let Some(kind) = script.read_fails {
            return Poll::Ready(Err(io::Error::new(kind, "on purpose")));
        }
        if script.ends {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for ScriptedIo {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note("write");
        Poll::Ready(Ok(buf.len()))
    }

    fn is_write_vectored(&self) -> bool {
        self.script.lock().unwrap().is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.note("flush");
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.note("shutdown");
        match self.script.lock().unwrap().shutdown_fails {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Io for ScriptedIo {
    fn abort(&mut self) {
        self.note("abort");
        self.script.lock().unwrap().aborted_at = Some(Instant::now());
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.note("discard");
        Pin::new(self).poll_read(cx, buf)
    }

    fn has_sent_all(&mut self) -> bool {
        let sent_at = self.script.lock().unwrap().sent_at;
        sent_at.map_or(true, |at| Instant::now() >= at)
    }

    fn taken(&mut self) -> Option<Taken> {
        Some(Taken::Read(77))
    }

    fn expect_shutdown(&mut self) {
        self.note("expect_shutdown");
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.reset.notified())
    }
}

struct ScriptedListener(VecDeque<ScriptedIo>);

struct ScriptedPending(ScriptedIo);

const PEER: PeerAddr = PeerAddr::Uid(7);

impl Listener for ScriptedListener {
    type Pending = ScriptedPending;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<ScriptedPending, TransportError> {
        match self.0.pop_front() {
            Some(io) => Ok(ScriptedPending(io)),
            None => std::future::pending().await,
        }
    }
}

impl Pending for ScriptedPending {
    type Io = ScriptedIo;

    fn peer(&self) -> PeerAddr {
        PEER
    }

    async fn establish(self) -> Result<Connection<ScriptedIo>, TransportError> {
        Ok(Connection::new(
            self.0,
            ConnInfo::new(Backend::Tcp, Some(PEER)),
        ))
    }
}

pub(crate) struct Scripted {
    pub(crate) io: GuardedIo<ScriptedIo>,
    pub(crate) script: Script,
    pub(crate) reset: Arc<Notify>,
    pub(crate) limiter: Limiter,
    pub(crate) recorder: Recorder,
}

pub(crate) async fn scripted(set: impl FnOnce(&mut Steps)) -> Scripted {
    let (script, reset) = (Script::default(), Arc::<Notify>::default());
    set(&mut script.lock().unwrap());
    let io = ScriptedIo {
        script: Arc::clone(&script),
        reset: Arc::clone(&reset),
    };
    let recorder = Recorder::new();
    let limiter = Limiter::new(&Limits::default(), recorder.observer()).unwrap();
    let mut guard = Guard::new(ScriptedListener([io].into()), &limiter);
    let io = guard.accept().await.establish().await.unwrap().io;
    Scripted {
        io,
        script,
        reset,
        limiter,
        recorder,
    }
}

impl Scripted {
    /// Drops the stream, and returns the calls up to the end.
    pub(crate) async fn close(self) -> Vec<&'static str> {
        drop(self.io);
        sleep(2 * LINGER).await;
        assert_eq!(self.limiter.lingering(), 0);
        let mut done = self.script.lock().unwrap().done.clone();
        done.retain(|what| *what != "discard");
        done
    }
}
