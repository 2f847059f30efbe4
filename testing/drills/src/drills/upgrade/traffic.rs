//! Clients that run while gateways come and go.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;

use crate::late::{self, Conn};
use ron_lab::client::{connect, ping, tls};
use ron_lab::netns::Netns;

/// Clients that reconnect continuously.
const SHORT: usize = 8;
/// The answers on each connection, and the time between them.
const ANSWERS: usize = 3;
const PAUSE: Duration = Duration::from_millis(5);
/// Connections of some seconds, shorter than a drain, so they can finish.
const LONG: usize = 10;
const LONG_ANSWERS: usize = 20;
const LONG_PAUSE: Duration = Duration::from_millis(100);
/// Connections with one request each, and the slowest answer.
///
/// Every second connection is half-closed.
const LAST_SLOW: u32 = 23;
const SLOWEST: Duration = Duration::from_secs(3);
const SLOW_BYTES: u32 = 64 << 10;

/// Counts of connections by result.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) whole: u64,
    /// The connect failed.
    pub(super) refused: u64,
    /// The connection broke.
    pub(super) broken: u64,
}

#[derive(Default)]
struct Counts {
    whole: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    last: std::sync::Mutex<String>,
}

/// Clients that run until they are stopped.
pub(super) struct Traffic {
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

/// Open connections that can finish.
pub(super) struct Long(Vec<JoinHandle<io::Result<()>>>);

/// Connections that wait for answers after 0 to 3 s.
pub(super) struct Slow(Vec<JoinHandle<io::Result<()>>>);

impl Traffic {
    /// Starts the clients in a network namespace.
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

    /// Returns the counts so far.
    pub(super) fn tally(&self) -> Tally {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally {
            whole: of(&self.counts.whole),
            refused: of(&self.counts.refused),
            broken: of(&self.counts.broken),
        }
    }

    /// Returns the last failure.
    pub(super) fn last(&self) -> String {
        self.counts
            .last
            .lock()
            .map_or_else(|_| String::new(), |last| last.clone())
    }

    /// Stops the clients and returns their counts.
    pub(super) fn stop(mut self) -> Tally {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            // The thread counts failures and never panics.
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
    /// Connects all of them.
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

    /// Returns how many finished.
    pub(super) fn finished(self) -> Result<usize, String> {
        finished(self.0, "a connection that could finish broke")
    }
}

impl Slow {
    /// Connects all of them and sends their requests.
    pub(super) fn start(
        netns: &Netns,
        config: &Arc<ClientConfig>,
        to: SocketAddr,
    ) -> Result<Self, String> {
        let conns = netns.within(|| {
            let one = |n| {
                let mut conn = Conn::Tls(Box::new(tls(config, connect(to)?)?));
                late::ask(&mut conn, SLOWEST * n / LAST_SLOW, SLOW_BYTES)?;
                if is_half_closed(n) {
                    conn.half_close()?;
                }
                Ok(conn)
            };
            (0..=LAST_SLOW).map(one).collect::<io::Result<Vec<_>>>()
        })?;
        let conns = conns.map_err(|e| format!("a slow connection: {e}"))?;
        let on = conns.into_iter().zip(0..).map(|(mut conn, n)| {
            thread::spawn(move || {
                late::answer(&mut conn, SLOW_BYTES)?;
                // The other half keep their write side open.
                if is_half_closed(n) {
                    late::ends_in_order(&mut conn)?;
                }
                Ok(())
            })
        });
        Ok(Self(on.collect()))
    }

    /// Returns how many received their answer.
    pub(super) fn finished(self) -> Result<usize, String> {
        finished(self.0, "a slow answer is lost")
    }
}

fn is_half_closed(slow: u32) -> bool {
    slow % 2 == 1
}

/// Waits for all of them and returns their number.
fn finished(conns: Vec<JoinHandle<io::Result<()>>>, lost: &str) -> Result<usize, String> {
    let all = conns.len();
    for conn in conns {
        let ended = conn.join().map_err(|_| "a client panicked")?;
        ended.map_err(|e| format!("{lost}: {e}"))?;
    }
    Ok(all)
}

fn ask(conn: &mut ron_lab::client::Tls, answers: usize, pause: Duration) -> io::Result<()> {
    for _ in 0..answers {
        ping(conn, 1024)?;
        thread::sleep(pause);
    }
    Ok(())
}
