//! Full load: the maximum of connections, all busy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use ron_lab::client::pattern;

use crate::client::{exchange, Client, BYTES};

/// `max_conns` of the preset.
pub(crate) const CONNS: usize = 128;
const THREADS: u8 = 8;

/// Runs `act` under load; returns its result and the number of exchanges.
pub(crate) fn during<T>(
    client: &Client,
    act: impl FnOnce() -> Result<T, String>,
) -> Result<(T, u64), String> {
    let (over, count, sent) = (AtomicBool::new(false), AtomicU64::new(0), pattern(BYTES));
    // One peer per thread: a peer that opens eight TLS connections at once exceeds its share of
    // pending handshakes under this preset (a quarter of 32).
    let work = |peer: u8| {
        let conns = (0..CONNS / usize::from(THREADS)).map(|_| client.open_from(peer));
        let conns = conns.collect::<Result<Vec<_>, _>>();
        let mut conns = conns.map_err(|e| format!("a connection: {e}"))?;
        while !over.load(Ordering::Relaxed) {
            for conn in &mut conns {
                exchange(conn.as_mut(), &sent, 1)?;
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok::<_, String>(())
    };
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS)
            .map(|peer| scope.spawn(move || work(peer)))
            .collect();
        let done = act();
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a client panicked")??;
        }
        Ok((done?, count.load(Ordering::Relaxed)))
    })
}
