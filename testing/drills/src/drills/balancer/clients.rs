//! Clients of the balancer: honest ones, a hot one, and traffic.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ron_lab::client::{connect_from, ended, ping};

/// Honest addresses, and the connections of each.
const ADDRESSES: u8 = 40;
const OF_EACH: u8 = 5;
const BYTES: usize = 1024;
/// The time between two requests of an address.
const EVERY: Duration = Duration::from_millis(25);
const PHASE: Duration = Duration::from_millis(1500);

/// The hot address, its pace, and the connections that it wants.
const HOT: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
const PACE: Duration = Duration::from_millis(5);
const GREED: usize = 200;

/// Clients that reconnect continuously.
const SHORT: u8 = 8;
const LONG: u8 = 15;

/// Returns whether an echo comes back.
pub(super) fn answers(to: SocketAddr) -> io::Result<()> {
    let mut conn = connect_from(honest(0), to)?;
    ping(&mut conn, BYTES).map(drop)
}

fn honest(of: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, 1 + of % ADDRESSES)
}

/// The connections of the honest addresses.
pub(super) struct Crowd(Vec<Mutex<Vec<TcpStream>>>);

impl Crowd {
    pub(super) fn connect(to: SocketAddr) -> Result<Self, String> {
        let of = |address: u8| {
            let conns = (0..OF_EACH).map(|_| connect_from(honest(address), to));
            let conns = conns.collect::<io::Result<Vec<_>>>();
            conns
                .map(Mutex::new)
                .map_err(|e| format!("an honest client: {e}"))
        };
        (0..ADDRESSES).map(of).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len() * usize::from(OF_EACH)
    }

    /// Returns the 99th percentile of the latencies of a phase, in seconds.
    pub(super) fn p99(&self) -> Result<f64, String> {
        let one = |conns: &Mutex<Vec<TcpStream>>| {
            let mut conns = conns.lock().map_err(|_| io::Error::other("poisoned"))?;
            let (until, mut waits) = (Instant::now() + PHASE, Vec::new());
            while Instant::now() < until {
                for conn in conns.iter_mut() {
                    waits.push(ping(conn, BYTES)?.as_secs_f64());
                    thread::sleep(EVERY);
                }
            }
            Ok::<_, io::Error>(waits)
        };
        let mut waits = Vec::new();
        thread::scope(|scope| {
            let peers: Vec<_> = self
                .0
                .iter()
                .map(|of| scope.spawn(move || one(of)))
                .collect();
            for peer in peers {
                let waited = peer.join().map_err(|_| "an honest client panicked")?;
                waits.extend(waited.map_err(|e| format!("an honest client: {e}"))?);
            }
            Ok::<_, String>(())
        })?;
        waits.sort_by(f64::total_cmp);
        let at = waits.len() * 99 / 100;
        waits.get(at).copied().ok_or("no honest answers".into())
    }

    /// Counts the connections that do not answer any more.
    pub(super) fn broken(&mut self) -> Broken {
        let mut broken = Broken::default();
        for conns in self.0.iter_mut().filter_map(|of| of.get_mut().ok()) {
            let before = broken.all;
            for error in conns.iter_mut().filter_map(|conn| ping(conn, BYTES).err()) {
                broken.all += 1;
                match error.kind() {
                    ErrorKind::UnexpectedEof => broken.ended += 1,
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => broken.reset += 1,
                    _ => {}
                }
            }
            broken.addresses += usize::from(broken.all > before);
        }
        broken
    }
}

/// Connections that broke, by what their clients see.
#[derive(Default)]
pub(super) struct Broken {
    pub(super) all: usize,
    /// Addresses with at least one of them.
    pub(super) addresses: usize,
    pub(super) ended: usize,
    pub(super) reset: usize,
}

/// An address that opens connections until it is stopped.
pub(super) struct Hot {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<usize>>,
}

impl Hot {
    pub(super) fn start(to: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut held = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                held.push(connect_from(HOT, to)?);
                if held.len() > GREED {
                    // The oldest were admitted, the refused ones have ended.
                    held.retain_mut(is_open);
                }
                thread::sleep(PACE);
            }
            held.retain_mut(is_open);
            Ok(held.len())
        });
        Self { over, thread }
    }

    /// Ends the flood; returns how many connections were held.
    pub(super) fn stop(self) -> Result<usize, String> {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.thread.join().map_err(|_| "the hot client panicked")?;
        ended.map_err(|e| format!("the hot client: {e}"))
    }
}

/// Returns whether no end has arrived; nothing else does without a request.
fn is_open(conn: &mut TcpStream) -> bool {
    if conn.set_nonblocking(true).is_err() {
        return false;
    }
    let open = !ended(conn);
    open && conn.set_nonblocking(false).is_ok()
}

/// Counts of connections by result.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) whole: u64,
    pub(super) lost: u64,
    /// The last failure.
    pub(super) last: String,
}

/// Clients with short connections that run until they are stopped.
pub(super) struct Traffic {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Traffic {
    pub(super) fn start(to: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicU8::new(0));
        let clients = (0..SHORT).map(|_| {
            let (over, next) = (Arc::clone(&over), Arc::clone(&next));
            thread::spawn(move || {
                let mut tally = Tally::default();
                while !over.load(Ordering::Relaxed) {
                    let from = honest(next.fetch_add(1, Ordering::Relaxed));
                    match connect_from(from, to).and_then(|conn| asks(conn, 3, 5)) {
                        Ok(()) => tally.whole += 1,
                        Err(error) => {
                            tally.lost += 1;
                            tally.last = error.to_string();
                        }
                    }
                }
                tally
            })
        });
        let clients = clients.collect();
        Self { over, clients }
    }

    pub(super) fn stop(self) -> Result<Tally, String> {
        self.over.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for client in self.clients {
            let tally = client.join().map_err(|_| "a client panicked")?;
            all.whole += tally.whole;
            all.lost += tally.lost;
            if !tally.last.is_empty() {
                all.last = tally.last;
            }
        }
        Ok(all)
    }
}

/// Connections of two seconds, shorter than a drain.
pub(super) struct Long(Vec<JoinHandle<io::Result<()>>>);

impl Long {
    pub(super) fn start(to: SocketAddr) -> Result<Self, String> {
        let conns = (0..LONG).map(|n| connect_from(honest(n), to));
        let conns = conns.collect::<io::Result<Vec<_>>>();
        let conns = conns.map_err(|e| format!("a long connection: {e}"))?;
        let on = conns
            .into_iter()
            .map(|conn| thread::spawn(move || asks(conn, 20, 100)));
        Ok(Self(on.collect()))
    }

    /// Returns how many finished.
    pub(super) fn finished(self) -> Result<usize, String> {
        let all = self.0.len();
        for conn in self.0 {
            let ended = conn.join().map_err(|_| "a client panicked")?;
            ended.map_err(|e| format!("a connection that could finish broke: {e}"))?;
        }
        Ok(all)
    }
}

fn asks(mut conn: TcpStream, answers: usize, pause_ms: u64) -> io::Result<()> {
    for _ in 0..answers {
        ping(&mut conn, BYTES)?;
        thread::sleep(Duration::from_millis(pause_ms));
    }
    Ok(())
}
