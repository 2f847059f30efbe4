//! The transport: dials, serves, reports, shuts down.

use std::future::Future;
use std::num::NonZeroUsize;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use transport_core::{Backend, Observer, ReadyReason, ReadyState, Reloadable, TransportError};
use transport_limits::Limiter;

use crate::backend::{BackendState, CustomBackends, CustomListener, Dialers};
use crate::bound_addrs::BoundAddrs;
use crate::config::Config;
use crate::conn::Conn;
use crate::credentials::Credentials;
use crate::dialer::TransportDialer;
use crate::drain::{self, DrainReport};
use crate::handler::HandlerOutput;
use crate::listener_slot::ListenerSlot;
use crate::readiness::{Component, Readiness};
use crate::serve::{self, RunHandler};
use crate::state::TransportState;

/// A service's network edge: one listener, dialers, and guarded connections.
///
/// Dropping it cancels every connection and task, without waiting for them;
/// [`shutdown`](Self::shutdown) drains.
///
/// ```
/// use std::time::Duration;
///
/// use ron_transport::{echo, Transport};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Transport::builder().bind_addr("127.0.0.1:0".parse()?).build()?;
/// let addr = transport.listen().await?;
/// let client = async {
///     let mut conn = transport.dial(format!("tcp://{addr}")).await?;
///     conn.write_all(b"hello").await?;
///     let mut answer = [0; 5];
///     conn.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"hello");
///     drop(conn);
///     transport.shutdown(Duration::from_secs(1)).await;
///     Ok::<_, Box<dyn std::error::Error>>(())
/// };
/// let (served, asked) = tokio::join!(transport.serve(echo), client);
/// served?;
/// asked
/// # }
/// ```
#[derive(Debug)]
pub struct Transport {
    pub(crate) config: Reloadable<Config>,
    /// Held by a reload, so that two reloads do not mix.
    pub(crate) reloading: Mutex<()>,
    pub(crate) backends: BackendState,
    pub(crate) custom: Option<CustomListener>,
    pub(crate) listener: Mutex<ListenerSlot>,
    pub(crate) bound: OnceLock<BoundAddrs>,
    pub(crate) max_fd: Option<RawFd>,
    pub(crate) accept_loops: Option<NonZeroUsize>,
    pub(crate) dialer: TransportDialer,
    pub(crate) state: Arc<TransportState>,
}

impl Transport {
    pub(crate) fn new(
        config: Config,
        mut credentials: Credentials,
        custom: CustomBackends,
        limiter: Limiter,
        observer: Arc<dyn Observer>,
        max_fd: Option<RawFd>,
        accept_loops: Option<NonZeroUsize>,
    ) -> Self {
        let readiness = Readiness::new(Arc::clone(&observer), limiter.clone());
        if config.general.backend() == Backend::Arti {
            // Until the Tor client reports its own state.
            let reason = ReadyReason::ArtiBootstrap;
            readiness.set(Component::Tor, ReadyState::Degraded { reason });
        }
        let (custom, custom_dialers) = custom.into_parts();
        if !config.listens() && custom.is_none() {
            // A transport that only dials is ready at once.
            readiness.set(Component::Lifecycle, ReadyState::Ready);
        }
        let state = Arc::new(TransportState::new(limiter, readiness, observer));
        let backends = BackendState::new(&config, &mut credentials, &state);
        let dialers = Arc::new(Dialers::new(
            &backends,
            custom_dialers,
            max_fd,
            &state.limiter,
        ));
        let dialer = TransportDialer::new(dialers, Arc::clone(&state));
        Self {
            config: Reloadable::new(config),
            reloading: Mutex::default(),
            backends,
            custom,
            listener: Mutex::default(),
            bound: OnceLock::new(),
            max_fd,
            accept_loops,
            dialer,
            state,
        }
    }

    /// Accepts connections and runs the handler for each, until a shutdown.
    ///
    /// Each handshake and each handler runs in a task of its own, so that a slow peer delays no
    /// other. A handler returns `()` or a `Result`; an error is logged at debug level. When its
    /// connection is cancelled, the handler first sees the error and has 50 ms to return.
    ///
    /// # Errors
    /// [`TransportError::State`] before [`listen`](Self::listen), and while as many other calls
    /// accept as there are [accept loops](crate::TransportBuilder::accept_loops).
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener of this accept loop; connections continue.
    pub async fn serve<H, F>(&self, handler: H) -> Result<(), TransportError>
    where
        H: Fn(Conn) -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: HandlerOutput,
    {
        let Some(mut borrowed) = self.borrow_listener().await? else {
            return Ok(());
        };
        let then = RunHandler::new(handler);
        if let Some(listener) = borrowed.take() {
            let mut listener = self.register_here(listener)?;
            tokio::select! {
                () = serve::run(&mut listener, &self.state, &then) => {}
                () = self.backends.watch_certificates() => {}
            }
        }
        Ok(())
    }

    /// As [`serve`](Self::serve), as a future that can be spawned.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use ron_transport::{echo, Transport};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let transport = Arc::new(Transport::builder().bind_addr("127.0.0.1:0".parse()?).build()?);
    /// transport.listen().await?;
    /// let serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));
    /// tokio::signal::ctrl_c().await?;
    /// transport.shutdown(Duration::from_secs(10)).await;
    /// serving.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// As [`serve`](Self::serve).
    pub async fn serve_owned<H, F>(self: Arc<Self>, handler: H) -> Result<(), TransportError>
    where
        H: Fn(Conn) -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: HandlerOutput,
    {
        self.serve(handler).await
    }

    /// Applies changed certificates, keys and trust stores.
    ///
    /// Checks the files every two seconds. [`serve`](Self::serve) does this itself. An embedder
    /// with its own accept loop runs this future beside it. It never resolves.
    ///
    /// # Cancel safety
    /// Dropping the future stops the checks.
    pub async fn watch_certificates(&self) {
        self.backends.watch_certificates().await;
    }

    /// Resolves once the transport stops accepting.
    ///
    /// It resolves at the latest when the transport shuts down. The future borrows nothing: it is
    /// the shutdown signal of a server that accepts by itself.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.state.stop.clone().cancelled_owned()
    }

    /// Returns a dialer for handlers. It does not keep the transport alive.
    #[must_use]
    pub fn dialer(&self) -> TransportDialer {
        self.dialer.clone()
    }

    /// Returns a watch on readiness.
    ///
    /// ```
    /// use ron_transport::{ReadyState, Transport};
    ///
    /// let transport = Transport::builder().build()?;
    /// assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
    /// # Ok::<(), ron_transport::TransportError>(())
    /// ```
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<ReadyState> {
        self.state.readiness.subscribe()
    }

    /// Drains the transport and stops it.
    ///
    /// Readiness becomes `NotReady("draining")`, the listener closes after the connections that
    /// the kernel has accepted, and [`Conn::draining`] resolves. Each connection ends in order as
    /// soon as it [`is_idle`](transport_limits::Control::is_idle); the others are aborted at the deadline. A Tor client
    /// stops after them, within one more second.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use ron_transport::Transport;
    ///
    /// let transport = Transport::builder().bind_addr("127.0.0.1:0".parse()?).build()?;
    /// transport.listen().await?;
    /// let report = transport.shutdown(Duration::from_secs(5)).await;
    /// assert_eq!((report.finished, report.closed_idle, report.aborted), (0, 0, 0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// A dropped call leaves the transport draining; another call continues the drain.
    pub async fn shutdown(&self, deadline: Duration) -> DrainReport {
        let report = drain::run(&self.state, self.close_listener(), deadline).await;
        self.backends.shutdown().await;
        report
    }

    /// Closes the listener, for an embedder with its own shutdown order.
    ///
    /// Connections continue. Readiness becomes `NotReady("draining")`. The future resolves once the
    /// kernel refuses further clients.
    ///
    /// # Cancel safety
    /// A dropped call leaves the transport not accepting; another call continues it.
    pub async fn stop_accepting(&self) {
        drain::stop_accepting(&self.state);
        self.close_listener().await;
    }

    /// Waits until no connection is open, none lingers, and no handler runs.
    ///
    /// A stream whose directions have both ended counts as closed, even if it is still held.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn wait_empty(&self) {
        drain::wait_empty(&self.state.limiter).await;
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.state.stop.cancel();
        self.state.kill.cancel();
        self.backends.stop();
        self.state.limiter.close();
        if self.name().is_some() {
            // The gauge of one of several transports must not stay at `Ready`.
            let readiness = &self.state.readiness;
            readiness.not_ready(Component::Lifecycle, ReadyReason::Stopped);
        }
    }
}
