//! A user-space relay that delays all bytes and ends.
//!
//! Both directions and the connect are delayed, each by half a round trip.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Blocks in transit in one direction.
const UNDER_WAY: usize = 256;
const BLOCK: usize = 16 << 10;

/// A block and its due time; an empty block is the end.
type Block = (Instant, Vec<u8>);

/// A listening relay; dropping it ends its connections.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    half_trip_millis: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Relay {
    /// Listens on a free loopback port and relays to `to`, without delay.
    pub(crate) fn to(to: SocketAddr) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let relay = Self {
            addr: listener.local_addr().map_err(|e| e.to_string())?,
            half_trip_millis: Arc::default(),
            over: Arc::default(),
        };
        let (delay, over) = (Arc::clone(&relay.half_trip_millis), Arc::clone(&relay.over));
        thread::spawn(move || {
            for conn in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let delay = Arc::clone(&delay);
                thread::spawn(move || relay_one(&conn, to, &delay));
            }
        });
        Ok(relay)
    }

    /// Adds this much to a round trip from now on.
    pub(crate) fn set_round_trip(&self, millis: u64) {
        self.half_trip_millis.store(millis / 2, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the accept loop.
        let _ = TcpStream::connect_timeout(&self.addr, Duration::from_secs(1));
    }
}

fn half_trip(delay: &AtomicU64) -> Duration {
    Duration::from_millis(delay.load(Ordering::Relaxed))
}

/// Ends both sides when either one breaks.
fn relay_one(client: &TcpStream, to: SocketAddr, delay: &Arc<AtomicU64>) {
    // Read before the connect, so that early bytes are not delayed twice.
    let (Ok(from_client), Ok(to_client)) = (client.try_clone(), client.try_clone()) else {
        return;
    };
    let up = receive(from_client, Arc::clone(delay));
    thread::sleep(half_trip(delay));
    let Ok(server) = TcpStream::connect(to) else {
        return drop(client.shutdown(Shutdown::Both));
    };
    let (Ok(from_server), Ok(to_server)) = (server.try_clone(), server.try_clone()) else {
        return;
    };
    for stream in [client, &server] {
        // At worst the relay is slower.
        let _ = stream.set_nodelay(true);
    }
    let down = receive(from_server, Arc::clone(delay));
    thread::spawn(move || send(&up, to_server));
    send(&down, to_client);
}

fn receive(mut from: TcpStream, delay: Arc<AtomicU64>) -> Receiver<Block> {
    let (sender, receiver): (SyncSender<Block>, _) = sync_channel(UNDER_WAY);
    thread::spawn(move || {
        let mut buffer = vec![0; BLOCK];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            let due = Instant::now() + half_trip(&delay);
            let sent = sender.send((due, buffer[..read].to_vec()));
            if read == 0 || sent.is_err() {
                return;
            }
        }
    });
    receiver
}

fn send(blocks: &Receiver<Block>, mut to: TcpStream) {
    for (due, block) in blocks {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if block.is_empty() {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        if to.write_all(&block).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ron_lab::client::{connect, ping, round_trip};

    #[test]
    fn bytes_arrive_late_and_whole() {
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = echo.local_addr().unwrap();
        thread::spawn(move || {
            for conn in echo.incoming().flatten() {
                let (mut from, mut to) = (conn.try_clone().unwrap(), conn);
                thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).unwrap();
                    to.shutdown(Shutdown::Write).unwrap();
                });
            }
        });
        let relay = Relay::to(to).unwrap();
        let conn = connect(relay.addr).unwrap();
        assert_eq!(round_trip(&conn, 1 << 20).unwrap(), 1 << 20);
        relay.set_round_trip(100);
        let mut conn = connect(relay.addr).unwrap();
        assert!(ping(&mut conn, 10).unwrap() >= Duration::from_millis(100));
        assert!(ping(&mut conn, 10).unwrap() >= Duration::from_millis(100));
    }
}
