//! The transport: listen, dial, serve, shut down.

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use transport_core::{Backend, Observer, ReadyReason, ReadyState, TransportError};
use transport_limits::{Control, Limiter};

use crate::backend::{AnyListener, Dialers, Live};
use crate::builder::TransportBuilder;
use crate::config::Config;
use crate::conn::Conn;
use crate::endpoint::Endpoint;
use crate::readiness::{Part, Readiness};
use crate::reload::{self, ReloadError, ReloadReport};
use crate::{drain, serve};

pub use crate::drain::DrainReport;
pub use crate::handles::{IncomingConn, TransportDialer};

/// A service's network edge. Dropping it cancels every connection and task of it and does not
/// wait for them.
#[derive(Debug)]
pub struct Transport {
    config: RwLock<Arc<Config>>,
    live: Live,
    listener: Mutex<Slot>,
    fd_limit: Option<RawFd>,
    dialer: TransportDialer,
    pub(crate) shared: Arc<Shared>,
}

/// Where the listener is.
#[derive(Debug, Default)]
enum Slot {
    /// Nothing is bound yet.
    #[default]
    Unbound,
    /// Bound, and nobody is accepting.
    Here(Box<AnyListener>),
    /// Whoever accepts has it; or it is closed.
    Taken,
}

/// What tasks of the transport hold on to; the transport itself is not among it, so that it can
/// be dropped while they run.
pub(crate) struct Shared {
    pub(crate) limiter: Limiter,
    pub(crate) readiness: Readiness,
    observer: Arc<dyn Observer>,
    /// Accepting ends.
    pub(crate) stop: CancellationToken,
    /// Everything ends.
    pub(crate) kill: CancellationToken,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// Starts building one.
    #[must_use]
    pub fn builder() -> TransportBuilder {
        TransportBuilder::default()
    }

    pub(crate) fn new(
        config: Config,
        limiter: Limiter,
        observer: Arc<dyn Observer>,
        fd_limit: Option<RawFd>,
    ) -> Self {
        let readiness = Readiness::new(Arc::clone(&observer));
        if config.general.bind_addr().is_none() {
            // There is nothing to bind: it can dial.
            readiness.set(Part::Lifecycle, ReadyState::Ready);
        }
        let live = Live::new(&config);
        let dialers = Arc::new(Dialers::new(&live, fd_limit, &limiter));
        let shared = Arc::new(Shared {
            limiter,
            readiness,
            observer,
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        });
        let dialer = TransportDialer::new(dialers, Arc::clone(&shared));
        Self {
            config: RwLock::new(Arc::new(config)),
            live,
            listener: Mutex::default(),
            fd_limit,
            dialer,
            shared,
        }
    }

    /// Binds the configured address and becomes `Ready`. Connections queue in the kernel until
    /// [`serve`](Self::serve) or [`accept`](Self::accept) takes them. Returns the bound address.
    ///
    /// # Errors
    /// [`TransportError::Bind`]; [`TransportError::Config`] without an address or on a second
    /// call. Readiness is then `NotReady("bind_failed")`.
    pub async fn listen(&self) -> Result<SocketAddr, TransportError> {
        let readiness = &self.shared.readiness;
        let addr = self.may_listen()?;
        let limiter = &self.shared.limiter;
        let config = self.config();
        let bound = AnyListener::bind(&config, &self.live, addr, self.fd_limit, limiter).await;
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (local, listener) = bound.inspect_err(|_| {
            readiness.not_ready(Part::Lifecycle, ReadyReason::BindFailed);
        })?;
        let mut slot = self.slot();
        if matches!(*slot, Slot::Unbound) && !self.shared.stop.is_cancelled() {
            *slot = Slot::Here(Box::new(listener));
            readiness.set(Part::Listener, ReadyState::Ready);
            readiness.set(Part::Lifecycle, ReadyState::Ready);
        }
        Ok(local)
    }

    /// The address to bind, if this is the time for it.
    fn may_listen(&self) -> Result<SocketAddr, TransportError> {
        let wrong = |what: &str| {
            Err(TransportError::Config {
                source: what.into(),
            })
        };
        if self.shared.stop.is_cancelled() {
            return wrong("the transport has shut down");
        }
        if !matches!(*self.slot(), Slot::Unbound) {
            return wrong("the transport listens already");
        }
        match self.config().general.bind_addr() {
            Some(addr) => Ok(addr),
            None => wrong("bind_addr is not set: there is nothing to listen on"),
        }
    }

    /// Accepts connections and runs the handler for each, as a task of its own, until the
    /// transport shuts down. A slow peer or handler holds nobody up. A handler is cancelled when
    /// its connection is: it sees the error first and has 50 ms to return.
    ///
    /// # Errors
    /// [`TransportError::Config`] when [`listen`](Self::listen) has not succeeded before.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener; connections go on.
    pub async fn serve<H, F>(&self, handler: H) -> Result<(), TransportError>
    where
        H: Fn(Conn) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(mut listener) = self.take_listener()? else {
            return Ok(());
        };
        serve::run(&mut listener, &self.shared, Arc::new(handler)).await;
        Ok(())
    }

    /// Waits for the next admitted connection, for an embedder that runs its own accept loop.
    /// `None` once the transport shuts down.
    ///
    /// # Errors
    /// [`TransportError::Config`] when [`listen`](Self::listen) has not succeeded before, or
    /// another call is accepting.
    ///
    /// # Cancel safety
    /// Cancel-safe: no admitted connection is lost when the future is dropped.
    pub async fn accept(&self) -> Result<Option<IncomingConn>, TransportError> {
        let Some(listener) = self.take_listener()? else {
            return Ok(None);
        };
        let mut lent = Lent {
            transport: self,
            listener: Some(listener),
        };
        let Some(listener) = &mut lent.listener else {
            return Ok(None);
        };
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => Ok(None),
            incoming = listener.accept() => Ok(Some(IncomingConn::new(incoming))),
        }
    }

    /// Dials, guarded by the same limits.
    ///
    /// # Errors
    /// A timeout, or what resolving, connecting or the handshake met;
    /// [`TransportError::Cancelled`] when the transport ends meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    pub async fn dial(&self, to: &Endpoint) -> Result<Conn, TransportError> {
        self.dialer.dial(to).await
    }

    /// A handle that dials, for handlers: it does not keep the transport alive.
    #[must_use]
    pub fn dialer(&self) -> TransportDialer {
        self.dialer.clone()
    }

    /// Readiness now and as it changes.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<ReadyState> {
        self.shared.readiness.subscribe()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force: caps and rates at once, on open connections too, the
    /// rest for new ones. It is validated whole first; what is refused changes nothing.
    ///
    /// # Errors
    /// When a key changed that needs a restart, when settings contradict each other, and while
    /// the transport shuts down.
    pub fn reload(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        // Held throughout: of two reloads at a time one is whole before the other.
        let mut current = self.config.write().unwrap_or_else(PoisonError::into_inner);
        let planned = if self.shared.stop.is_cancelled() {
            Err(ReloadError::Draining)
        } else {
            reload::plan(&current, &config)
        };
        let applied = planned.and_then(|applied| {
            let limits = self.shared.limiter.apply(&config.limits);
            limits.map(|()| applied).map_err(ReloadError::Invalid)
        });
        match applied {
            Ok(applied) => {
                self.live.set(&config);
                *current = Arc::new(config);
                self.shared.observer.reloaded(true);
                tracing::info!(
                    target: "ron_transport",
                    event = "reload",
                    result = "ok",
                    keys = applied.join(","),
                );
                Ok(ReloadReport { applied })
            }
            Err(error) => {
                self.reload_rejected(&error);
                Err(error)
            }
        }
    }

    /// Counts and logs a reload that failed before there was a configuration to put in force: a
    /// file that could not be read, a value out of range.
    pub fn reload_rejected(&self, why: &dyn std::fmt::Display) {
        self.shared.observer.reloaded(false);
        tracing::warn!(
            target: "ron_transport",
            event = "reload",
            result = "rejected",
            error = %why,
        );
    }

    /// The backend that listens.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.config().general.backend()
    }

    /// The limits at work, for an embedder that counts its own rejects.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.shared.limiter
    }

    /// Handles on all open connections.
    #[must_use]
    pub fn connections(&self) -> Vec<Control> {
        self.shared.limiter.connections()
    }

    /// Shuts down: readiness goes to `NotReady("draining")`, accepting ends, idle connections are
    /// closed, busy ones may finish until the deadline and are then cut.
    ///
    /// # Cancel safety
    /// A dropped call leaves the transport draining; another call goes on with it.
    pub async fn shutdown(&self, deadline: Duration) -> DrainReport {
        drain::begin(&self.shared);
        // After the stop: who accepts right now does not put it back.
        drop(std::mem::replace(&mut *self.slot(), Slot::Taken));
        drain::run(&self.shared, deadline).await
    }

    /// The listener, for the caller to accept with; `None` once the transport shuts down.
    fn take_listener(&self) -> Result<Option<Box<AnyListener>>, TransportError> {
        if self.shared.stop.is_cancelled() {
            return Ok(None);
        }
        let mut slot = self.slot();
        let wrong = match std::mem::take(&mut *slot) {
            Slot::Here(listener) => {
                *slot = Slot::Taken;
                return Ok(Some(listener));
            }
            Slot::Unbound => "listen() has not succeeded before",
            Slot::Taken => {
                *slot = Slot::Taken;
                "somebody is accepting already"
            }
        };
        Err(TransportError::Config {
            source: wrong.into(),
        })
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.kill.cancel();
        self.shared.limiter.close();
    }
}

/// Puts the listener back when a call to accept ends, however it ends; once the transport shuts
/// down it is closed instead.
struct Lent<'a> {
    transport: &'a Transport,
    listener: Option<Box<AnyListener>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut slot = self.transport.slot();
        if !self.transport.shared.stop.is_cancelled() {
            *slot = self.listener.take().map_or(Slot::Taken, Slot::Here);
        }
    }
}
