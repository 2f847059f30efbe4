//! The transport: dials, serves, reports, shuts down.

use std::future::Future;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use transport_core::{Backend, Observer, ReadyReason, ReadyState, Reloadable, TransportError};
use transport_limits::{ConnSnapshot, Control, Limiter};

use crate::backend::{BackendState, Dialers};
use crate::config::Config;
use crate::conn::Conn;
use crate::credentials::Credentials;
use crate::dialer::TransportDialer;
use crate::drain::{self, DrainReport};
use crate::endpoint::Endpoint;
use crate::handler::HandlerOutput;
use crate::listen_addr::ListenAddr;
use crate::listener_slot::ListenerSlot;
use crate::readiness::{Component, Readiness};
use crate::scheme::Scheme;
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
    pub(crate) listener: Mutex<ListenerSlot>,
    pub(crate) local_addr: OnceLock<ListenAddr>,
    pub(crate) max_fd: Option<RawFd>,
    dialer: TransportDialer,
    pub(crate) state: Arc<TransportState>,
}

impl Transport {
    pub(crate) fn new(
        config: Config,
        mut credentials: Credentials,
        limiter: Limiter,
        observer: Arc<dyn Observer>,
        max_fd: Option<RawFd>,
    ) -> Self {
        let readiness = Readiness::new(Arc::clone(&observer));
        if config.general.backend() == Backend::Arti {
            // Until the Tor client reports its own state.
            let reason = ReadyReason::ArtiBootstrap;
            readiness.set(Component::Tor, ReadyState::Degraded { reason });
        }
        if !config.listens() {
            // A transport that only dials is ready at once.
            readiness.set(Component::Lifecycle, ReadyState::Ready);
        }
        let state = Arc::new(TransportState::new(limiter, readiness, observer));
        let backends = BackendState::new(&config, &mut credentials, &state);
        let dialers = Arc::new(Dialers::new(&backends, max_fd, &state.limiter));
        let dialer = TransportDialer::new(dialers, Arc::clone(&state));
        Self {
            config: Reloadable::new(config),
            reloading: Mutex::default(),
            backends,
            listener: Mutex::default(),
            local_addr: OnceLock::new(),
            max_fd,
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
    /// [`TransportError::State`] before [`listen`](Self::listen), and while another call accepts.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener; connections continue.
    pub async fn serve<H, F>(&self, handler: H) -> Result<(), TransportError>
    where
        H: Fn(Conn) -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: HandlerOutput,
    {
        let Some(mut borrowed) = self.borrow_listener()? else {
            return Ok(());
        };
        let then = RunHandler::new(handler);
        if let Some(mut listener) = borrowed.take() {
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

    /// Opens a guarded connection, under the same limits.
    ///
    /// The target is an [`Endpoint`], its text or a `SocketAddr`.
    ///
    /// # Errors
    /// A timeout; the failure of the resolver, the connect or the handshake;
    /// [`TransportError::Config`] for an invalid target; [`TransportError::Cancelled`] when the
    /// transport ends first.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial<E>(&self, to: E) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        self.dialer.dial(to).await
    }

    /// Dials over Tor on circuits that only this token shares, whatever `arti.isolation` says.
    ///
    /// # Errors
    /// As [`dial`](Self::dial), and [`TransportError::Unsupported`] for a scheme without Tor.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    #[cfg(feature = "arti")]
    pub async fn dial_isolated<E>(
        &self,
        to: E,
        token: transport_arti::IsolationToken,
    ) -> Result<Conn, TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        self.dialer.dial_isolated(to, token).await
    }

    /// Loads the files that dials through a scheme need, and starts the Tor client.
    ///
    /// An unusable trust store or key then fails here, before the first dial. The bootstrap of Tor
    /// continues in the background. Without this call, the first dial does all this.
    ///
    /// # Errors
    /// [`TransportError::Tls`] or [`TransportError::Config`] for unusable files or settings,
    /// [`TransportError::Unsupported`] for a scheme that is not compiled in,
    /// [`TransportError::Cancelled`] when the transport ends first.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn prepare(&self, scheme: Scheme) -> Result<(), TransportError> {
        self.dialer.prepare(scheme).await
    }

    /// Prepares dials to a target, as [`prepare`](Self::prepare) does for its scheme.
    ///
    /// Over Tor, readiness covers the target from then on: `Ready` means that a suitable circuit was
    /// built, through an exit to its port or to onion services.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn prepare_for<E>(&self, to: E) -> Result<(), TransportError>
    where
        E: TryInto<Endpoint>,
        E::Error: Into<TransportError>,
    {
        let to = to.try_into().map_err(Into::into)?;
        self.dialer.prepare_for(&to).await
    }

    /// Checks certificates, keys and trust stores every two seconds and applies changed ones.
    ///
    /// [`serve`](Self::serve) does this itself. An embedder with its own accept loop runs this
    /// future beside it. It never resolves.
    ///
    /// # Cancel safety
    /// Dropping the future stops the checks.
    pub async fn watch_certificates(&self) {
        self.backends.watch_certificates().await;
    }

    /// Resolves once the transport stops accepting, at the latest when it shuts down.
    ///
    /// The future borrows nothing: it is the shutdown signal of a server that accepts by itself.
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

    /// Returns the progress of the Tor bootstrap, 0 to 1; `None` without a Tor client.
    #[must_use]
    pub fn tor_progress(&self) -> Option<f64> {
        self.backends.tor_progress()
    }

    /// Returns the current configuration.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    /// Returns the backend of the listener.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.config().general.backend()
    }

    /// Returns the limiter, for an embedder that counts its own rejects.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.state.limiter
    }

    /// Refuses new connections as `overload`, or accepts them again.
    ///
    /// Readiness is `Degraded("overload")` meanwhile. Open connections and dials continue. The
    /// embedder decides when: the gateway does by the memory of its cgroup.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.state.limiter.set_overloaded(overloaded);
        let state = if overloaded {
            ReadyState::Degraded {
                reason: ReadyReason::Overload,
            }
        } else {
            ReadyState::Ready
        };
        self.state.readiness.set(Component::Load, state);
    }

    /// Returns handles on all open connections.
    #[must_use]
    pub fn connections(&self) -> Vec<Control> {
        self.state.limiter.connections()
    }

    /// Returns at most `max` open connections with a number above `after`, ascending.
    ///
    /// A caller that passes the last number of one page gets the next page.
    #[must_use]
    pub fn connections_after(&self, after: u64, max: usize) -> Vec<ConnSnapshot> {
        self.state.limiter.connections_after(after, max)
    }

    /// Cancels the open connection with this number; returns whether it exists.
    pub fn cancel(&self, id: u64) -> bool {
        let found = self.state.limiter.connection(id);
        let found = found.filter(|control| !control.is_ended());
        found.is_some_and(|control| {
            control.cancel();
            true
        })
    }

    /// Drains the transport and stops it.
    ///
    /// Readiness becomes `NotReady("draining")`, the listener closes after the connections that
    /// the kernel has accepted, and [`Conn::draining`] resolves. Each connection ends in order as
    /// soon as it [`is_idle`](Control::is_idle); the others are aborted at the deadline. A Tor client
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
    }
}
