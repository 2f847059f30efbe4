//! Full load: the maximum of connections, all busy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use ron_lab::client::pattern;

use crate::client::{exchange, Client, BYTES};

/// `max_conns` of the preset.
pub(crate) const CONNS: usize = 128;
const THREADS: usize = 8;

/// Runs `act` under load; returns its result and the number of exchanges.
pub(crate) fn during<T>(
    client: &Client,
    act: impl FnOnce() -> Result<T, String>,
) -> Result<(T, u64), String> {
    let (over, count, sent) = (AtomicBool::new(false), AtomicU64::new(0), pattern(BYTES));
    let work = || {
        let conns = (0..CONNS / THREADS).map(|_| client.open());
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
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let done = act();
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a client panicked")??;
        }
        Ok((done?, count.load(Ordering::Relaxed)))
    })
}
