//! Dials over Tor. Tor resolves host names; this process never does.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arti_client::config::BoolOrAuto;
use arti_client::{DataStream, ErrorKind, HasKind, StreamPrefs, TorClient};
use tokio::time::{sleep, Instant};
use transport_core::{Backend, ConnInfo, Connection, Dialer, Reloadable, Target, TransportError};

use super::stream::ArtiIo;
use crate::client::{has_exit, is_onion, ArtiRuntime, TorClientSlot, TorInstance};
use crate::error;
use crate::health::Evidence;
use crate::isolation::{self, IsolationToken};
use crate::{ArtiConfig, DialWhileBootstrapping, Isolation};

/// Dial duration that casts doubt on the network.
const LONG_DIAL: Duration = Duration::from_secs(3);
/// Pause between two attempts of a dial that found no path.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Opens streams to hosts through exits, and to onion services.
///
/// Cheap to clone. Create one with [`ArtiNet::dialer`](crate::ArtiNet::dialer).
#[derive(Debug, Clone)]
pub struct ArtiDialer {
    slot: Arc<TorClientSlot>,
    live: Reloadable<ArtiConfig>,
    token: Option<IsolationToken>,
}

impl ArtiDialer {
    pub(crate) const fn new(slot: Arc<TorClientSlot>, live: Reloadable<ArtiConfig>) -> Self {
        Self {
            slot,
            live,
            token: None,
        }
    }

    /// Returns a dialer that shares circuits only under this token.
    ///
    /// The token replaces the setting `arti.isolation` for its dials.
    #[must_use]
    pub fn isolated_by(&self, token: IsolationToken) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }
}

impl Dialer for ArtiDialer {
    type Io = ArtiIo;

    const PRIVATE: bool = true;

    fn backend(&self) -> Backend {
        Backend::Arti
    }

    /// Opens a stream, after the configured `arti.pre_dial_delay`.
    ///
    /// It retries without a limit of its own if Arti finds no path or the client is replaced; the
    /// guard's `dial_timeout` ends the dial. A port that no exit serves fails at once.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`] for a Unix socket; [`TransportError::ArtiBootstrap`] before
    /// Tor carries traffic, with `arti.dial_while_bootstrapping = "fail"`;
    /// [`TransportError::Cancelled`] once Tor has ended; otherwise the failure that Tor reports.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt.
    async fn dial(&self, to: &Target) -> Result<Connection<ArtiIo>, TransportError> {
        let Target::Host { host, port } = to else {
            return Err(TransportError::Unsupported {
                what: "dialing a Unix socket over Tor".to_owned(),
            });
        };
        let config = self.live.get();
        sleep(jittered(config.pre_dial_delay())).await;
        let mut prefs = StreamPrefs::new();
        prefs.connect_to_onion_services(BoolOrAuto::Explicit(true));
        isolation::apply(&mut prefs, config.isolation(), self.token, host, *port);
        let exclusive = self.token.is_none() && config.isolation() == Isolation::Stream;
        let started = Instant::now();
        let mut choice = config.dial_while_bootstrapping();
        loop {
            let instance = self.slot.client(choice).await?;
            // Held until the stream is counted on its circuit.
            let dialing = instance.circuit_streams().begin_dial();
            match attempt(&instance, host, *port, prefs.clone()).await {
                DialAttempt::Opened(stream) => {
                    let mut info = ConnInfo::new(Backend::Arti, None);
                    info.steps.set_connect(started.elapsed());
                    return Ok(Connection::new(
                        ArtiIo::dialed(*stream, instance, exclusive),
                        info,
                    ));
                }
                DialAttempt::Failed(error) => return Err(error),
                DialAttempt::NoPathYet => {}
            }
            drop(dialing);
            sleep(RETRY_PAUSE).await;
            // Tor was ready when the dial began, so `Fail` no longer applies.
            choice = DialWhileBootstrapping::Wait;
        }
    }
}

/// The outcome of one attempt.
enum DialAttempt {
    Opened(Box<DataStream>),
    Failed(TransportError),
    /// Arti found no path, or the client was replaced.
    NoPathYet,
}

/// Opens a stream, in one attempt.
async fn attempt(instance: &TorInstance, host: &str, port: u16, prefs: StreamPrefs) -> DialAttempt {
    let Some(tor) = instance.tor() else {
        return DialAttempt::NoPathYet;
    };
    let target = (host.to_owned(), port);
    let on = Arc::clone(&tor);
    let dial = async move { on.connect_with_prefs(target, &prefs).await };
    let mut dial = pin!(instance.run(dial));
    let dialed = tokio::select! {
        dialed = &mut dial => dialed,
        () = sleep(LONG_DIAL) => {
            instance.report(Evidence::Doubt);
            dial.await
        }
    };
    match dialed {
        Some(Ok(stream)) => {
            instance.report(Evidence::Carried);
            DialAttempt::Opened(Box::new(stream))
        }
        Some(Err(failed)) if is_pathless(failed.kind()) && may_have_path(&tor, host, port) => {
            instance.report(Evidence::NoPath);
            DialAttempt::NoPathYet
        }
        Some(Err(failed)) => {
            instance.report_failure(error::blame(failed.kind()));
            DialAttempt::Failed(error::dial(failed))
        }
        None => DialAttempt::NoPathYet,
    }
}

/// Returns whether Arti found no relays to build a circuit from.
const fn is_pathless(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NoPath | ErrorKind::NoExit)
}

/// Returns whether a retry can find a path to this target.
fn may_have_path(tor: &TorClient<ArtiRuntime>, host: &str, port: u16) -> bool {
    is_onion(host) || has_exit(tor, port)
}

/// Returns a random duration, half of `delay` to all of it.
///
/// A constant delay would make the dials of this process recognizable.
fn jittered(delay: Duration) -> Duration {
    let mut random = [0; 4];
    // On failure the delay is halved; Tor itself cannot work without random numbers.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let part = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    delay.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArtiConfig;

    fn dialer(tune: impl FnOnce(&mut ArtiConfig)) -> ArtiDialer {
        let mut config = ArtiConfig::default();
        tune(&mut config);
        ArtiDialer::new(Arc::new(TorClientSlot::new()), Reloadable::new(config))
    }

    #[test]
    fn jitter_varies_within_delay() {
        let delay = Duration::from_secs(10);
        let drawn: Vec<_> = (0..64).map(|_| jittered(delay)).collect();
        assert!(drawn.iter().all(|d| (delay / 2..=delay).contains(d)));
        assert!(drawn.iter().any(|d| *d != drawn[0]));
        assert_eq!(jittered(Duration::ZERO), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn dial_before_bootstrap_fails_or_waits() {
        let to = "example.org:443".parse().unwrap();
        let started = Instant::now();
        let error = dialer(|_| ()).dial(&to).await.unwrap_err();
        assert_eq!(error.kind(), "arti_bootstrap");
        assert!(error.is_retryable());
        assert_eq!(started.elapsed(), Duration::ZERO);
        let waiting = dialer(|config| {
            config.set_dial_while_bootstrapping(DialWhileBootstrapping::Wait);
        });
        let hour = Duration::from_secs(3600);
        tokio::time::timeout(hour, waiting.dial(&to))
            .await
            .unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn pre_dial_delay_elapses_first() {
        let to = "example.org:443".parse().unwrap();
        let delay = Duration::from_secs(8);
        let late = dialer(|config| {
            config.set_pre_dial_delay(delay).unwrap();
        });
        let started = Instant::now();
        late.dial(&to).await.unwrap_err();
        assert!(started.elapsed() >= delay / 2 && started.elapsed() <= delay);
    }

    #[tokio::test]
    async fn unix_socket_unsupported() {
        let unix = Target::Unix("/run/x".into());
        let error = dialer(|_| ()).dial(&unix).await.unwrap_err();
        assert_eq!(error.kind(), "unsupported");
    }
}
