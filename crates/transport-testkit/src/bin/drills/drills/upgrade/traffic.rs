//! Clients that go on while gateways come and go.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;

use transport_testkit::lab::client::{connect, ping, tls};
use transport_testkit::lab::netns::Netns;

/// Clients that connect anew all the time.
const SHORT: usize = 8;
/// Answers that each of their connections gets, and the time between them.
const ANSWERS: usize = 3;
const PAUSE: Duration = Duration::from_millis(5);
/// Connections that go on for some seconds, shorter than a drain: these can finish.
const LONG: usize = 10;
const LONG_ANSWERS: usize = 20;
const LONG_PAUSE: Duration = Duration::from_millis(100);

/// How connections went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) whole: u64,
    /// The connection was not to be had.
    pub(super) refused: u64,
    /// It was, and broke off.
    pub(super) broken: u64,
}

#[derive(Default)]
struct Counts {
    whole: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    last: std::sync::Mutex<String>,
}

/// Clients, until they are told to stop.
pub(super) struct Traffic {
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

/// Connections under way that can finish.
pub(super) struct Long(Vec<JoinHandle<io::Result<()>>>);

impl Traffic {
    /// Starts them in a network namespace.
    pub(super) fn start(
        netns: &Netns,
        config: &Arc<ClientConfig>,
        to: SocketAddr,
    ) -> Result<Self, String> {
        netns.within(|| {
            let (counts, over) = (
                Arc::new(Counts::default()),
                Arc::new(AtomicBool::new(false)),
            );
            let clients = (0..SHORT).map(|_| {
                let (counts, over, config) =
                    (Arc::clone(&counts), Arc::clone(&over), Arc::clone(config));
                thread::spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        counts.add(&config, to);
                    }
                })
            });
            let clients = clients.collect();
            Self {
                counts,
                over,
                clients,
            }
        })
    }

    /// So far.
    pub(super) fn tally(&self) -> Tally {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally {
            whole: of(&self.counts.whole),
            refused: of(&self.counts.refused),
            broken: of(&self.counts.broken),
        }
    }

    /// What the last failure was.
    pub(super) fn last(&self) -> String {
        self.counts
            .last
            .lock()
            .map_or_else(|_| String::new(), |last| last.clone())
    }

    /// Stops them; how they went.
    pub(super) fn stop(mut self) -> Tally {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            // It counts what fails, and has nothing to panic about.
            let _ = client.join();
        }
        self.tally()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Counts {
    fn add(&self, config: &Arc<ClientConfig>, to: SocketAddr) {
        let count = match connect(to) {
            Err(error) => {
                self.note(&error);
                &self.refused
            }
            Ok(conn) => match tls(config, conn).and_then(|mut conn| ask(&mut conn, ANSWERS, PAUSE))
            {
                Err(error) => {
                    self.note(&error);
                    &self.broken
                }
                Ok(()) => &self.whole,
            },
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, error: &io::Error) {
        if let Ok(mut last) = self.last.lock() {
            *last = error.to_string();
        }
    }
}

impl Long {
    /// Connects them all, and lets them go on.
    pub(super) fn start(
        netns: &Netns,
        config: &Arc<ClientConfig>,
        to: SocketAddr,
    ) -> Result<Self, String> {
        let conns = netns.within(|| {
            let one = || connect(to).and_then(|conn| tls(config, conn));
            (0..LONG).map(|_| one()).collect::<io::Result<Vec<_>>>()
        })?;
        let conns = conns.map_err(|e| format!("a long connection: {e}"))?;
        let on = conns
            .into_iter()
            .map(|mut conn| thread::spawn(move || ask(&mut conn, LONG_ANSWERS, LONG_PAUSE)));
        Ok(Self(on.collect()))
    }

    /// How many of them finished.
    pub(super) fn finished(self) -> Result<usize, String> {
        let all = self.0.len();
        for conn in self.0 {
            let ended = conn.join().map_err(|_| "a client panicked")?;
            ended.map_err(|e| format!("a connection that could finish broke: {e}"))?;
        }
        Ok(all)
    }
}

fn ask(
    conn: &mut transport_testkit::lab::client::Tls,
    answers: usize,
    pause: Duration,
) -> io::Result<()> {
    for _ in 0..answers {
        ping(conn, 1024)?;
        thread::sleep(pause);
    }
    Ok(())
}
