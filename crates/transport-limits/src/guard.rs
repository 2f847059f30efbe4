//! `Guard`: a raw listener or dialer with every limit applied.

use std::io;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{sleep_until, Instant};
use transport_core::{
    Backend, Connection, Dialer, Listener, Op, PeerAddr, Pending, Reason, Target, TransportError,
};

use crate::admitted::Admitted;
use crate::clock::{duration, ticks};
use crate::deadline::until;
use crate::establish::guarded;
use crate::event::{self, ConnLabels};
use crate::io::GuardedIo;
use crate::limiter::Limiter;
use crate::permit::Permit;

/// First and longest pause of the accept loop without descriptors or memory.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// Failed and refused accepts in a row before other tasks run.
///
/// A listener without tokio's cooperative budget may never wait.
const ACCEPTS_PER_TURN: u32 = 32;
/// Longest deadline of a dial, which no clock overflows.
const MAX_DIAL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The accept loop has recovered after this long without a failure.
///
/// At the edge of exhaustion, accepts fail and succeed in turn. That is logged once.
const RECOVERED_AFTER: Duration = Duration::from_secs(5);

/// A raw listener or dialer with every limit applied.
///
/// It does not implement the raw traits, so guarding twice does not compile.
///
/// ```
/// use transport_core::{Listener, TransportError};
/// use transport_limits::{echo, Guard, Limiter};
///
/// /// Serves echo on any raw listener, under the limits of the limiter.
/// async fn serve<L: Listener>(raw: L, limiter: &Limiter) {
///     let mut listener = Guard::new(raw, limiter);
///     loop {
///         let admitted = listener.accept().await;
///         tokio::spawn(async move {
///             let connection = admitted.establish().await?; // within `handshake_timeout`
///             echo(connection.io).await?;
///             Ok::<_, TransportError>(())
///         });
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Guard<R> {
    raw: R,
    limiter: Limiter,
    /// The last pause of a listener without resources, and when it ends.
    backoff: Option<(Duration, Instant)>,
}

impl<R> Guard<R> {
    /// Wraps a raw listener or dialer.
    pub fn new(raw: R, limiter: &Limiter) -> Self {
        Self {
            raw,
            limiter: limiter.clone(),
            backoff: None,
        }
    }

    /// Returns the raw backend.
    pub const fn get_ref(&self) -> &R {
        &self.raw
    }

    /// Returns its limits.
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }
}

impl<L: Listener> Guard<L> {
    /// Waits for the next admitted connection.
    ///
    /// Refused connections are dropped and counted here. Without descriptors it backs off and
    /// retries; it never fails.
    ///
    /// # Cancel safety
    /// Cancel-safe: no admitted connection is lost when the future is dropped.
    pub async fn accept(&mut self) -> Admitted<L::Pending> {
        let backend = self.raw.backend();
        let mut accepts = 0;
        loop {
            if accepts == ACCEPTS_PER_TURN {
                accepts = 0;
                yield_now().await;
            }
            accepts += 1;
            if let Some((_, until)) = self.backoff {
                sleep_until(until).await;
            }
            let pending = match self.raw.accept().await {
                Ok(pending) => pending,
                Err(error) => {
                    self.failed(backend, &error);
                    continue;
                }
            };
            self.recovered(backend);
            self.limiter.core().observer().accepted(backend);
            let peer = pending.peer();
            // The rules for addresses are about the peer, which a hop announces later.
            let is_hop = pending.hop_timeout().is_some();
            if !is_hop && self.limiter.check_rules(backend, peer).is_err() {
                self.refused(Reason::Denied, backend, peer, None);
                continue;
            }
            if let Some(reason) = pending.refused() {
                let error = TransportError::Refused { reason };
                self.refused(reason, backend, peer, Some(&error));
                continue;
            }
            let now = self.limiter.core().now();
            let admitted = if is_hop {
                self.limiter.admit_hop(backend)
            } else {
                self.limiter.admit(backend, peer, now)
            };
            match admitted {
                Ok(permit) => return Admitted::new(pending, permit, &self.limiter, backend, now),
                Err(reason) => self.refused(reason, backend, peer, None),
            }
        }
    }

    /// Returns another guard on the same socket, for the current runtime.
    ///
    /// See [`Listener::share`].
    ///
    /// # Errors
    /// [`TransportError::Io`] if the system refuses a descriptor.
    pub fn share(&self) -> Result<Option<Self>, TransportError> {
        let raw = self.raw.share()?;
        Ok(raw.map(|raw| Self::new(raw, &self.limiter)))
    }

    /// Counts a refusal; `error` is the backend's explanation, if it refused.
    fn refused(
        &self,
        reason: Reason,
        backend: Backend,
        peer: PeerAddr,
        error: Option<&TransportError>,
    ) {
        let conn = ConnLabels {
            peer: Some(peer),
            ..ConnLabels::default()
        };
        self.limiter.core().rejected(reason, backend, conn, error);
    }

    /// Skips an error of one connection; pauses after any other.
    ///
    /// Without a pause the loop would spin. The first such error is logged.
    fn failed(&mut self, backend: Backend, error: &TransportError) {
        if let TransportError::Io(e) = error {
            if is_of_one_connection(e) {
                return;
            }
        }
        let pause = match self.backoff {
            Some((pause, _)) => (pause * 2).min(BACKOFF.1),
            None => {
                tracing::warn!(
                    target: event::TARGET,
                    transport = self.limiter.name(),
                    event = "accept",
                    backend = backend.as_str(),
                    error = %error,
                    "accepting is paused, and retried; check open descriptors and memory",
                );
                BACKOFF.0
            }
        };
        self.backoff = Some((pause, Instant::now() + pause));
    }

    fn recovered(&mut self, backend: Backend) {
        let Some((_, until)) = self.backoff else {
            return;
        };
        if until.elapsed() >= RECOVERED_AFTER {
            self.backoff = None;
            tracing::info!(
                target: event::TARGET,
                transport = self.limiter.name(),
                event = "accept",
                backend = backend.as_str(),
                "accepting resumed",
            );
        }
    }
}

/// Returns whether an error concerns one connection only.
///
/// accept(2) returns pending errors of the new connection, and asks to retry.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    /// Linux: EPERM (a firewall), ENONET, EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENETDOWN,
    /// ENETUNREACH, EHOSTDOWN, EHOSTUNREACH.
    const LINUX: [i32; 9] = [1, 64, 71, 92, 95, 100, 101, 112, 113];
    let number = error.raw_os_error();
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | TimedOut
    ) || cfg!(target_os = "linux") && number.is_some_and(|number| LINUX.contains(&number))
}

impl<D: Dialer> Guard<D> {
    /// Dials with one deadline for resolve, connect and handshake.
    ///
    /// A drain does not refuse dials: an accepted connection may need one to finish.
    ///
    /// # Errors
    /// [`TransportError::Timeout`] with [`Op::Dial`], or the backend's failure.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial, which is then not counted.
    pub async fn dial(&self, to: &Target) -> Result<Connection<GuardedIo<D::Io>>, TransportError> {
        self.dial_within(to, self.limiter.dial_timeout()).await
    }

    /// As [`dial`](Self::dial), with a deadline that replaces `dial_timeout`.
    ///
    /// A deadline over ten years counts as ten years.
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    ///
    /// # Cancel safety
    /// As [`dial`](Self::dial).
    pub async fn dial_within(
        &self,
        to: &Target,
        deadline: Duration,
    ) -> Result<Connection<GuardedIo<D::Io>>, TransportError> {
        let (core, backend) = (self.limiter.core(), self.raw.backend());
        let named = (!D::PRIVATE).then_some(to);
        let settings = core.settings();
        let started = core.now();
        let deadline = core.instant(started.saturating_add(ticks(deadline.min(MAX_DIAL))));
        let result = match until(deadline, self.raw.dial(to)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::Timeout { op: Op::Dial }),
        };
        let now = core.now();
        let took = duration(now.saturating_sub(started));
        core.observer().dialed(backend, result.is_ok());
        let log = |result| core.events().dialed(now, backend, named, took, result);
        match result {
            Ok(connection) => {
                core.observer().handshake(backend, took);
                let permit = Permit::dialed(core, backend);
                let id = Limiter::next_id();
                let connection =
                    guarded(self.limiter.clone(), permit, id, connection, settings, now);
                log(Ok(connection.info()));
                Ok(connection)
            }
            Err(error) => {
                log(Err(&error));
                if let Some(reason) = error.reason() {
                    core.rejected(reason, backend, ConnLabels::default(), Some(&error));
                }
                Err(error)
            }
        }
    }
}
