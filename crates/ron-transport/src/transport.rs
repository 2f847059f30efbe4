//! The transport: listen, dial, serve, shut down.

use std::future::Future;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{watch, Notify};
use tokio_util::sync::CancellationToken;
use transport_core::{Backend, Observer, ReadyReason, ReadyState, Reloadable, TransportError};
use transport_limits::{ConnSnapshot, Control, Limiter};

use crate::backend::{Dialers, Live};
use crate::builder::{Given, TransportBuilder};
use crate::config::Config;
use crate::conn::Conn;
use crate::dialer::TransportDialer;
use crate::drain::DrainReport;
use crate::endpoint::{Endpoint, Scheme};
use crate::listen::Slot;
use crate::readiness::{Part, Readiness};
use crate::{drain, serve};

/// A service's network edge. Dropping it cancels every connection and task of it and does not
/// wait for them.
#[derive(Debug)]
pub struct Transport {
    pub(crate) config: Reloadable<Config>,
    /// Of two reloads at a time one is whole before the other.
    pub(crate) reloading: Mutex<()>,
    pub(crate) live: Live,
    pub(crate) listener: Mutex<Slot>,
    pub(crate) max_fd: Option<RawFd>,
    dialer: TransportDialer,
    pub(crate) shared: Arc<Shared>,
}

/// What tasks of the transport hold on to; the transport itself is not among it, so that it can
/// be dropped while they run.
pub(crate) struct Shared {
    pub(crate) limiter: Limiter,
    pub(crate) readiness: Readiness,
    pub(crate) observer: Arc<dyn Observer>,
    /// Accepting ends.
    pub(crate) stop: CancellationToken,
    /// Everything ends.
    pub(crate) kill: CancellationToken,
    /// An accept loop has given the listener back, or closed it.
    pub(crate) released: Notify,
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
        mut given: Given,
        limiter: Limiter,
        observer: Arc<dyn Observer>,
        max_fd: Option<RawFd>,
    ) -> Self {
        let readiness = Readiness::new(Arc::clone(&observer));
        if config.general.backend() == Backend::Arti {
            // Until Tor has its say.
            let reason = ReadyReason::ArtiBootstrap;
            readiness.set(Part::Tor, ReadyState::Degraded { reason });
        }
        if !config.listens() {
            // There is nothing to bind: it can dial.
            readiness.set(Part::Lifecycle, ReadyState::Ready);
        }
        let shared = Arc::new(Shared {
            limiter,
            readiness,
            observer,
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            released: Notify::new(),
        });
        let live = Live::new(&config, &mut given, &shared);
        let dialers = Arc::new(Dialers::new(&live, max_fd, &shared.limiter));
        let dialer = TransportDialer::new(dialers, Arc::clone(&shared));
        Self {
            config: Reloadable::new(config),
            reloading: Mutex::default(),
            live,
            listener: Mutex::default(),
            max_fd,
            dialer,
            shared,
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
        let Some(mut lent) = self.lend()? else {
            return Ok(());
        };
        if let Some(mut listener) = lent.take() {
            tokio::select! {
                () = serve::run(&mut listener, &self.shared, Arc::new(handler)) => {}
                () = self.live.keep_fresh() => {}
            }
        }
        Ok(())
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

    /// Dials over Tor on circuits that only streams of this token share, whatever `arti.isolation`
    /// says.
    ///
    /// # Errors
    /// As [`dial`](Self::dial), and [`TransportError::Unsupported`] for a scheme that is not Tor's.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial.
    #[cfg(feature = "arti")]
    pub async fn dial_isolated(
        &self,
        to: &Endpoint,
        token: transport_arti::IsolationToken,
    ) -> Result<Conn, TransportError> {
        self.dialer.dial_isolated(to, token).await
    }

    /// Reads what dials through this scheme need, so that a trust store or a key that cannot be
    /// used is found before the first dial; for Tor it starts the client, whose bootstrap goes on
    /// by itself. Without this call, the first dial does all that.
    ///
    /// # Errors
    /// [`TransportError::Tls`] or [`TransportError::Config`] with what is wrong,
    /// [`TransportError::Unsupported`] for a scheme that is not compiled in,
    /// [`TransportError::Cancelled`] when the transport ends meanwhile.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn prepare(&self, scheme: Scheme) -> Result<(), TransportError> {
        self.dialer.prepare(scheme).await
    }

    /// Prepares dials to this target, as [`prepare`](Self::prepare) does for its scheme.
    ///
    /// Over Tor, readiness covers the target from then on: `Ready` means that a circuit of the kind
    /// it needs was built, through an exit to its port or to onion services.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn prepare_for(&self, to: &Endpoint) -> Result<(), TransportError> {
        self.dialer.prepare_for(to).await
    }

    /// Looks at certificates, keys and trust stores every two seconds and puts in force what
    /// changed and can be used; for ever. [`serve`](Self::serve) does so by itself; an embedder
    /// with an accept loop of its own runs this beside it.
    ///
    /// # Cancel safety
    /// Dropping the future ends it.
    pub async fn keep_fresh(&self) {
        self.live.keep_fresh().await;
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

    /// How far the bootstrap of Tor is, 0 to 1; `None` where no Tor client was needed so far, or
    /// none is compiled in.
    #[must_use]
    pub fn tor_progress(&self) -> Option<f64> {
        self.live.tor_progress()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
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

    /// Refuses new connections as `overload` from now on, or accepts them again.
    ///
    /// Readiness is `Degraded("overload")` meanwhile. Open connections and dials go on. The embedder
    /// decides when: the gateway does by the memory of its cgroup.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.shared.limiter.set_overloaded(overloaded);
        let state = if overloaded {
            ReadyState::Degraded {
                reason: ReadyReason::Overload,
            }
        } else {
            ReadyState::Ready
        };
        self.shared.readiness.set(Part::Load, state);
    }

    /// Handles on all open connections.
    #[must_use]
    pub fn connections(&self) -> Vec<Control> {
        self.shared.limiter.connections()
    }

    /// Returns at most `max` open connections with a number above `after`, in ascending order: a
    /// caller that passes the last number it got pages through all of them.
    #[must_use]
    pub fn connections_after(&self, after: u64, max: usize) -> Vec<ConnSnapshot> {
        self.shared.limiter.connections_after(after, max)
    }

    /// Cancels the open connection with this number, as [`Control::cancel`] does; returns whether
    /// one had it.
    pub fn cancel(&self, id: u64) -> bool {
        let found = self.shared.limiter.connection(id);
        let found = found.filter(|control| !control.is_ended());
        found.is_some_and(|control| {
            control.cancel();
            true
        })
    }

    /// Shuts down: readiness goes to `NotReady("draining")`, the listener closes after the
    /// connections that the kernel has accepted, and [`Conn::draining`] resolves. Then each
    /// connection ends in order as soon as it [`is_idle`](Control::is_idle); at the deadline the
    /// others are aborted. A Tor client ends after them, within a second more.
    ///
    /// # Cancel safety
    /// A dropped call leaves the transport draining; another call continues the drain.
    pub async fn shutdown(&self, deadline: Duration) -> DrainReport {
        let report = drain::run(&self.shared, self.close_listener(), deadline).await;
        self.live.shutdown().await;
        report
    }

    /// Closes the listener, for an embedder with a shutdown order of its own; connections go on.
    /// Readiness goes to `NotReady("draining")`. Returns once further clients are refused by the
    /// kernel.
    ///
    /// # Cancel safety
    /// A dropped call leaves the transport not accepting; another call continues it.
    pub async fn stop_accepting(&self) {
        drain::stop_accepting(&self.shared);
        self.close_listener().await;
    }

    /// Waits until no connection is open, no lingering close is under way and no handler runs.
    ///
    /// A stream that has ended in both directions and is still held counts as closed.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn wait_empty(&self) {
        drain::wait_empty(&self.shared.limiter).await;
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.kill.cancel();
        self.live.stop();
        self.shared.limiter.close();
    }
}
