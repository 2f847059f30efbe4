//! `Guard`: a raw listener or dialer with every limit around it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep_until, Instant};
use transport_core::{
    Backend, Connection, Dialer, Io, Listener, Op, PeerAddr, Pending, Reason, Target,
    TransportError,
};

use crate::admission::Permit;
use crate::conn_state::ConnState;
use crate::deadline::until;
use crate::event::{self, ConnLabels};
use crate::incoming::Incoming;
use crate::io::GuardedIo;
use crate::limiter::Limiter;

/// First and longest pause of the accept loop when the process is out of descriptors or memory.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// Without a failure for this long the loop counts as recovered; at the edge of exhaustion
/// accepts fail and succeed in turn, and that is one story, told once.
const RECOVERED_AFTER: Duration = Duration::from_secs(5);

/// A raw backend, guarded. It does not implement the raw traits itself, so that guarding twice
/// does not compile.
#[derive(Debug)]
pub struct Guard<R> {
    raw: R,
    limiter: Limiter,
    /// The last pause of a listener that ran out of resources, and when it was over.
    backoff: Option<(Duration, Instant)>,
}

impl<R> Guard<R> {
    /// Guards a raw listener or dialer.
    pub fn new(raw: R, limiter: &Limiter) -> Self {
        Self {
            raw,
            limiter: limiter.clone(),
            backoff: None,
        }
    }

    /// The raw backend.
    pub const fn get_ref(&self) -> &R {
        &self.raw
    }

    /// The limits around it.
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }
}

impl<L: Listener> Guard<L> {
    /// Waits for the next connection that admission lets in. Who is refused is dropped and
    /// counted here. Out of descriptors it backs off; it never ends.
    ///
    /// # Cancel safety
    /// Cancel-safe: no admitted connection is lost when the future is dropped.
    pub async fn accept(&mut self) -> Incoming<L::Pending> {
        let backend = self.raw.backend();
        loop {
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
            self.limiter.observer().accepted(backend);
            let peer = pending.peer();
            if self.limiter.check_rules(backend, peer).is_err() {
                self.refused(Reason::Denied, backend, peer, None);
                continue;
            }
            if let Some(reason) = pending.refused() {
                let error = TransportError::Refused { reason };
                self.refused(reason, backend, peer, Some(&error));
                continue;
            }
            let now = self.limiter.now();
            match Permit::admit(&self.limiter, backend, peer, now) {
                Ok(permit) => return Incoming::new(pending, permit, &self.limiter, backend, now),
                Err(reason) => self.refused(reason, backend, peer, None),
            }
        }
    }

    /// The backend says in its own words why it refuses; admission's reasons say it themselves.
    fn refused(
        &self,
        reason: Reason,
        backend: Backend,
        peer: PeerAddr,
        error: Option<&TransportError>,
    ) {
        let who = ConnLabels {
            peer: Some(peer),
            ..ConnLabels::default()
        };
        self.limiter.rejected(reason, backend, who, error);
    }

    /// An error of one connection is passed over; anything else pauses the loop, so that it
    /// cannot spin, and is said once.
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
                    event = "accept",
                    backend = backend.as_str(),
                    error = %error,
                    "accepting is paused until it works again",
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
                event = "accept",
                backend = backend.as_str(),
                "accepting again",
            );
        }
    }
}

/// accept(2) hands on errors of the new connection and asks to treat them as none.
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
    /// Dials under one deadline over resolve, connect and handshake.
    ///
    /// # Errors
    /// [`TransportError::Timeout`] with [`Op::Dial`], or the backend's failure. A drain does not
    /// refuse dials: an accepted connection may need one to finish.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the dial; it is then not counted.
    pub async fn dial(&self, to: &Target) -> Result<Connection<GuardedIo<D::Io>>, TransportError> {
        let (limiter, backend) = (&self.limiter, self.raw.backend());
        let named = (!D::PRIVATE).then_some(to);
        let settings = limiter.settings();
        let started = Instant::now();
        let result = match until(started + settings.dial, self.raw.dial(to)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::Timeout { op: Op::Dial }),
        };
        let took = started.elapsed();
        limiter.observer().dialed(backend, result.is_ok());
        match result {
            Ok(connection) => {
                limiter.observer().handshake(backend, took);
                let permit = Permit::dialed(limiter, backend);
                let id = Limiter::next_id();
                let now = limiter.now();
                let connection = guarded(limiter, permit, id, connection, settings, now);
                limiter.log_dial(backend, named, took, Ok(&connection.info));
                Ok(connection)
            }
            Err(error) => {
                limiter.log_dial(backend, named, took, Err(&error));
                if let Some(reason) = error.reason() {
                    limiter.rejected(reason, backend, ConnLabels::default(), Some(&error));
                }
                Err(error)
            }
        }
    }
}

pub(crate) fn guarded<I: Io>(
    limiter: &Limiter,
    mut permit: Permit,
    id: u64,
    connection: Connection<I>,
    settings: Arc<crate::conn_settings::ConnSettings>,
    now: u64,
) -> Connection<GuardedIo<I>> {
    permit.established();
    let (io, mut info) = connection.into_parts();
    Arc::make_mut(&mut info).id = id;
    let mut conn = ConnState::new(
        id,
        info.backend,
        limiter.clone(),
        settings,
        info.peer,
        permit.peer(),
        now,
    );
    conn.set_info(&info);
    conn.account = permit.account().unwrap_or(conn.account);
    Connection::new(GuardedIo::new(io, conn, permit), info)
}
