//! One Tor client in the process, from its start to its end: [`ArtiNet`].
//!
//! A thread of its own runs it, so that whoever holds the handle never waits for Tor: the thread
//! starts a client on a tokio runtime of that client's own, watches it, replaces it when it does
//! not recover, and ends the runtime (which is the only way to end an Arti client).

mod client;
mod guards;
mod needs;
mod probe;
mod proof;
mod runtime;
mod shared;
mod tcp;
mod thread;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch as tokio_watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use transport_core::{Observer, ReadyState, Reloadable, Target, TransportError};

pub(crate) use client::Client;
pub(crate) use needs::is_onion;
pub(crate) use proof::has_exit;
pub(crate) use runtime::Runtime;
pub(crate) use shared::Shared;

use crate::error;
use crate::raw::{ArtiDialer, ArtiListener, ArtiPending};
use crate::ArtiConfig;

/// The target of events about Tor's progress, which name no relay and no circuit.
pub(crate) const TARGET: &str = "ron_transport::arti";

/// A Tor client in this process. Dialers and the listener work for as long as it lives; dropping
/// it ends Tor in the background and never blocks.
pub struct ArtiNet {
    shared: Arc<Shared>,
    live: Reloadable<ArtiConfig>,
    readiness: tokio_watch::Receiver<ReadyState>,
    onion: Option<String>,
    arrivals: Mutex<Option<mpsc::Receiver<ArtiPending>>>,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl ArtiNet {
    /// Starts Tor and returns at once: the bootstrap goes on by itself, and
    /// [`readiness`](Self::readiness) tells how. Under amnesia nothing is written outside of a
    /// directory in memory, which is removed at the end.
    ///
    /// Where rustls has no default crypto provider in this process, aws-lc-rs becomes it: Arti
    /// reads that default. Two things of Arti's to know: it removes files such as `guards.tmp`,
    /// `ipts.tmp` and `iptpub.tmp` from the working directory, where they are nobody's of its own
    /// (it means those in its directories); and it ends the process when the network requires a
    /// protocol that it does not speak.
    ///
    /// # Errors
    /// [`TransportError::Config`] or [`TransportError::Unsupported`]: settings, keys or
    /// directories that cannot be used. A network that is not there is no error.
    pub async fn start(
        live: &Reloadable<ArtiConfig>,
        amnesia: bool,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, TransportError> {
        Self::start_telling(live, amnesia, observer, |_| {}).await
    }

    /// As [`start`](Self::start); `told` is called with each state of readiness, in their order, the
    /// first before this call yields and the others on Tor's own thread. It must not block.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_telling(
        live: &Reloadable<ArtiConfig>,
        amnesia: bool,
        observer: Arc<dyn Observer>,
        told: impl Fn(ReadyState) + Send + 'static,
    ) -> Result<Self, TransportError> {
        let stop = CancellationToken::new();
        // Whoever drops this call before it returns wants no client.
        let guard = stop.clone().drop_guard();
        let started = thread::start(
            live.clone(),
            amnesia,
            observer,
            Box::new(told),
            stop.clone(),
        )?;
        let thread::Handles {
            ready,
            shared,
            readiness,
            arrivals,
            ended,
        } = started;
        let onion = match ready.await {
            Ok(ready) => ready?,
            Err(_) => return Err(error::arti("the thread of Tor ended")),
        };
        guard.disarm();
        Ok(Self {
            shared,
            live: live.clone(),
            readiness,
            arrivals: Mutex::new(onion.is_some().then_some(arrivals)),
            onion,
            stop,
            ended,
        })
    }

    /// Whether Tor carries traffic: `Degraded("arti_bootstrap")` at first and in an outage,
    /// `NotReady("arti_bootstrap_timeout")` when that takes longer than `arti.bootstrap_timeout`,
    /// `Ready` otherwise. `Ready` comes once a circuit of each kind that is needed was built: to
    /// the [announced](Self::announce) targets and for the onion service; without either, through
    /// any exit. Each transition is one change; its sender goes with the client.
    #[must_use]
    pub fn readiness(&self) -> tokio_watch::Receiver<ReadyState> {
        self.readiness.clone()
    }

    /// Announces dials to a target: readiness covers them from now on.
    ///
    /// A target of a kind that was not announced before is proven first, so a client that is
    /// ready is `Degraded` until then. Only the port is kept, or that the host is an onion
    /// service.
    pub fn announce(&self, target: &Target) {
        self.shared.announce(target);
    }

    /// A raw dialer.
    #[must_use]
    pub fn dialer(&self) -> ArtiDialer {
        ArtiDialer::new(Arc::clone(&self.shared), self.live.clone())
    }

    /// The raw listener of the onion service: there is one, and it is given away once.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`], where `arti.onion_service.enabled` is off or it has been
    /// given away.
    pub fn listener(&self) -> Result<ArtiListener, TransportError> {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let arrivals = arrivals.take().ok_or_else(|| TransportError::Unsupported {
            what: "listening over tor: arti.onion_service.enabled is off, or it listens already"
                .to_owned(),
        })?;
        Ok(ArtiListener::new(arrivals))
    }

    /// The `.onion` name of the service, for the embedder; it is logged nowhere.
    #[must_use]
    pub fn onion_address(&self) -> Option<&str> {
        self.onion.as_deref()
    }

    /// The settings in force, to be replaced.
    #[must_use]
    pub const fn live(&self) -> &Reloadable<ArtiConfig> {
        &self.live
    }

    /// How far the bootstrap is, 0 to 1, as Arti reckons; after an outage it says nothing.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.shared.progress()
    }

    /// Ends Tor in the background, as dropping it does.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends Tor and waits for that: streams are cut, directories unlocked or, under amnesia,
    /// removed. False: it takes longer than the deadline, and goes on in the background.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the end to the background.
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
