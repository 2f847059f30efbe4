//! Dialing over Tor: names are resolved at the other end of it, never here.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arti_client::config::BoolOrAuto;
use arti_client::{DataStream, ErrorKind, HasKind, StreamPrefs, TorClient};
use tokio::time::{sleep, Instant};
use transport_core::{Backend, ConnInfo, Connection, Dialer, Reloadable, Target, TransportError};

use super::stream::ArtiIo;
use crate::error;
use crate::health::Evidence;
use crate::isolation::{self, IsolationToken};
use crate::net::{has_exit, is_onion, Client, Runtime, Shared};
use crate::{ArtiConfig, DialWhileBootstrapping, Isolation};

/// A dial that takes longer is a reason to look whether the network is there.
const LONG_DIAL: Duration = Duration::from_secs(3);
/// Pause before a dial that found no path looks for one again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Opens streams to hosts through exits, and to onion services. Cheap to clone.
///
/// A dial that finds no path, or whose client is replaced, is tried again until the caller drops
/// it: the guard's `dial_timeout` ends it. A port that no exit of the network serves fails at once.
#[derive(Debug, Clone)]
pub struct ArtiDialer {
    shared: Arc<Shared>,
    live: Reloadable<ArtiConfig>,
    token: Option<IsolationToken>,
}

impl ArtiDialer {
    pub(crate) const fn new(shared: Arc<Shared>, live: Reloadable<ArtiConfig>) -> Self {
        Self {
            shared,
            live,
            token: None,
        }
    }

    /// A dialer whose streams share circuits with those of this token alone, instead of by
    /// `arti.isolation`.
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

    async fn dial(&self, to: &Target) -> Result<Connection<ArtiIo>, TransportError> {
        let Target::Host { host, port } = to else {
            return Err(TransportError::Unsupported {
                what: "a tor dial to a Unix socket".to_owned(),
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
            let client = self.shared.client(choice).await?;
            // Until the stream is counted on its circuit.
            let dialing = client.sharing().dialing();
            match open(&client, host, *port, prefs.clone()).await {
                Dialed::Opened(stream) => {
                    let mut info = ConnInfo::new(Backend::Arti, None);
                    info.steps.connect = Some(started.elapsed());
                    return Ok(Connection::new(
                        ArtiIo::dialed(*stream, client, exclusive),
                        info,
                    ));
                }
                Dialed::Failed(error) => return Err(error),
                Dialed::NoPathYet => {}
            }
            drop(dialing);
            sleep(RETRY_PAUSE).await;
            // It was there when the dial began.
            choice = DialWhileBootstrapping::Wait;
        }
    }
}

/// How an attempt went.
enum Dialed {
    Opened(Box<DataStream>),
    Failed(TransportError),
    /// The client has no path, or was replaced.
    NoPathYet,
}

/// Opens a stream on a client, once.
async fn open(client: &Client, host: &str, port: u16, prefs: StreamPrefs) -> Dialed {
    let Some(tor) = client.tor() else {
        return Dialed::NoPathYet;
    };
    let target = (host.to_owned(), port);
    let on = Arc::clone(&tor);
    let dial = async move { on.connect_with_prefs(target, &prefs).await };
    let mut dial = pin!(client.run(dial));
    let dialed = tokio::select! {
        dialed = &mut dial => dialed,
        () = sleep(LONG_DIAL) => {
            client.tell(Evidence::Doubt);
            dial.await
        }
    };
    match dialed {
        Some(Ok(stream)) => {
            client.tell(Evidence::Carried);
            Dialed::Opened(Box::new(stream))
        }
        Some(Err(failed)) if is_pathless(failed.kind()) && may_have_path(&tor, host, port) => {
            client.tell(Evidence::NoPath);
            Dialed::NoPathYet
        }
        Some(Err(failed)) => {
            client.tell_failure(error::blames(failed.kind()));
            Dialed::Failed(error::dial(failed))
        }
        None => Dialed::NoPathYet,
    }
}

/// Returns whether Arti found no relays to build a circuit from.
const fn is_pathless(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NoPath | ErrorKind::NoExit)
}

/// Returns whether a path to this target can exist: a port that no exit serves stays without.
fn may_have_path(tor: &TorClient<Runtime>, host: &str, port: u16) -> bool {
    is_onion(host) || has_exit(tor, port)
}

/// Half to all of a delay, at random: what always takes the same time is easy to recognize.
fn jittered(delay: Duration) -> Duration {
    let mut random = [0; 4];
    // Without random numbers there is no Tor either.
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
        ArtiDialer::new(Arc::new(Shared::new()), Reloadable::new(config))
    }

    #[test]
    fn jitter_stays_within_the_delay_and_varies() {
        let delay = Duration::from_secs(10);
        let drawn: Vec<_> = (0..64).map(|_| jittered(delay)).collect();
        assert!(drawn.iter().all(|d| (delay / 2..=delay).contains(d)));
        assert!(drawn.iter().any(|d| *d != drawn[0]));
        assert_eq!(jittered(Duration::ZERO), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn before_tor_carries_a_dial_fails_at_once_or_waits_as_configured() {
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
    async fn the_delay_passes_before_anything_else() {
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
    async fn a_unix_socket_is_nowhere_on_tor() {
        let unix = Target::Unix("/run/x".into());
        let error = dialer(|_| ()).dial(&unix).await.unwrap_err();
        assert_eq!(error.kind(), "unsupported");
    }
}
