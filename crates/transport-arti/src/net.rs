//! The embedded Tor client, from start to shutdown: [`ArtiNet`].
//!
//! A dedicated thread runs Tor, so that callers never wait for it. The thread starts a client on a
//! tokio runtime of its own, watches it, replaces a client that does not recover, and shuts the
//! runtime down. Only a runtime shutdown ends an Arti client.

mod bootstrap;
mod guards;
mod probe;
mod proof;
mod serve;
mod thread;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch as tokio_watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use transport_core::{Observer, ReadyState, Reloadable, Target, TransportError};

use crate::client::TorClientSlot;
use crate::error;
use crate::raw::{Arrival, ArtiDialer, ArtiListener};
use crate::ArtiConfig;

/// A Tor client in this process.
///
/// Its dialers and its listener work while it exists. Dropping it shuts Tor down in the background
/// and never blocks.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use transport_arti::transport_core::{Dialer, NoObserver, ReadyState};
/// use transport_arti::{ArtiConfig, ArtiNet, Reloadable};
///
/// # async fn run() -> Result<(), transport_arti::transport_core::TransportError> {
/// let live = Reloadable::new(ArtiConfig::default());
/// let amnesia = true; // no file outside of memory
/// let net = ArtiNet::start(&live, amnesia, Arc::new(NoObserver)).await?;
///
/// let target = "example.org:443".parse().expect("a valid target");
/// net.announce(&target); // `Ready` covers dials to this target
/// let mut readiness = net.readiness();
/// if readiness.wait_for(|state| *state == ReadyState::Ready).await.is_ok() {
///     // Unguarded: no limit applies. `transport_arti::dialer` returns a guarded dialer.
///     let connection = net.dialer().dial(&target).await?;
///     drop(connection);
/// }
/// # Ok(())
/// # }
/// ```
pub struct ArtiNet {
    slot: Arc<TorClientSlot>,
    live: Reloadable<ArtiConfig>,
    readiness: tokio_watch::Receiver<ReadyState>,
    onion: Option<String>,
    arrivals: Mutex<Option<mpsc::Receiver<Arrival>>>,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl ArtiNet {
    /// Starts Tor. Returns before the bootstrap, which continues in the background.
    ///
    /// [`readiness`](Self::readiness) reports its outcome. With `amnesia`, Tor writes only to a
    /// directory in memory, which is removed at the end.
    ///
    /// If rustls has no default crypto provider in this process, aws-lc-rs becomes the default:
    /// Arti uses that default. Two properties of Arti affect the whole process. It removes files
    /// such as `guards.tmp`, `ipts.tmp` and `iptpub.tmp` from the working directory instead of its
    /// own directories. And it ends the process if the Tor network requires a protocol that it does
    /// not support.
    ///
    /// # Errors
    /// [`TransportError::Config`] or [`TransportError::Unsupported`] if settings, keys or
    /// directories cannot be used; [`TransportError::Io`] if the system refuses a thread. An
    /// unreachable network is not an error.
    ///
    /// # Cancel safety
    /// Dropping the future shuts Tor down in the background.
    pub async fn start(
        live: &Reloadable<ArtiConfig>,
        amnesia: bool,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, TransportError> {
        Self::start_with_callback(live, amnesia, observer, |_| {}).await
    }

    /// As [`start`](Self::start); also calls `on_readiness` with each state, in order.
    ///
    /// The first call happens before this future yields, later calls on the Tor thread. The
    /// callback must not block.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn start_with_callback(
        live: &Reloadable<ArtiConfig>,
        amnesia: bool,
        observer: Arc<dyn Observer>,
        on_readiness: impl Fn(ReadyState) + Send + 'static,
    ) -> Result<Self, TransportError> {
        let stop = CancellationToken::new();
        let stop_on_drop = stop.clone().drop_guard();
        let thread::TorThread {
            ready,
            slot,
            readiness,
            arrivals,
            ended,
        } = thread::start(
            live.clone(),
            amnesia,
            observer,
            Box::new(on_readiness),
            stop.clone(),
        )?;
        let onion = match ready.await {
            Ok(ready) => ready?,
            Err(_) => return Err(error::arti("the Tor thread panicked during its start")),
        };
        stop_on_drop.disarm();
        Ok(Self {
            slot,
            live: live.clone(),
            readiness,
            arrivals: Mutex::new(onion.is_some().then_some(arrivals)),
            onion,
            stop,
            ended,
        })
    }

    /// Subscribes to the readiness of Tor.
    ///
    /// - `Degraded("arti_bootstrap")`: at the start and in an outage.
    /// - `NotReady("arti_bootstrap_timeout")`: that state has lasted `arti.bootstrap_timeout`.
    /// - `Ready`: Tor has built a circuit of each required kind: to the [announced](Self::announce)
    ///   targets and for the onion service; without either, through any exit.
    ///
    /// The channel closes when Tor ends.
    #[must_use]
    pub fn readiness(&self) -> tokio_watch::Receiver<ReadyState> {
        self.readiness.clone()
    }

    /// Announces dials to a target; readiness covers them from now on.
    ///
    /// A target of a new kind is proven first: a client that is `Ready` becomes `Degraded` until
    /// then. Only the port is kept, or the fact that the host is an onion service.
    pub fn announce(&self, target: &Target) {
        self.slot.announce(target);
    }

    /// Returns a raw dialer, which enforces no limit.
    #[must_use]
    pub fn dialer(&self) -> ArtiDialer {
        ArtiDialer::new(Arc::clone(&self.slot), self.live.clone())
    }

    /// Takes the raw listener of the onion service. It exists once.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`] if `arti.onion_service.enabled` is off or the listener has
    /// been taken.
    pub fn listener(&self) -> Result<ArtiListener, TransportError> {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let arrivals = arrivals.take().ok_or_else(|| TransportError::Unsupported {
            what:
                "listening over Tor: arti.onion_service.enabled is off, or the listener is in use"
                    .to_owned(),
        })?;
        Ok(ArtiListener::new(arrivals))
    }

    /// The service's `.onion` name; no log event contains it.
    #[must_use]
    pub fn onion_address(&self) -> Option<&str> {
        self.onion.as_deref()
    }

    /// The current settings, which can be replaced.
    #[must_use]
    pub const fn live(&self) -> &Reloadable<ArtiConfig> {
        &self.live
    }

    /// Arti's estimate of the bootstrap progress, 0 to 1.
    ///
    /// The value says nothing about a later outage.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.slot.progress()
    }

    /// Starts the shutdown in the background, as dropping does.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Shuts Tor down and waits for the end, at most `deadline`.
    ///
    /// The shutdown ends all streams, and unlocks the directories or, with amnesia, removes them.
    /// Returns false if it takes longer; it then continues in the background.
    ///
    /// # Cancel safety
    /// Dropping the future lets the shutdown continue in the background.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.stop();
        timeout(deadline, self.ended.cancelled()).await.is_ok()
    }
}

impl Drop for ArtiNet {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for ArtiNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArtiNet")
            .field("readiness", &*self.readiness.borrow())
            .finish_non_exhaustive()
    }
}
