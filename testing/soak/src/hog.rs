//! Peers of their own address that send frames and never read.

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use ron_lab::client::{connect_from, frame};
use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::load::Load;
use crate::sites::Site;

const FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CONNS: usize = 8;
const FRAME: usize = 256 << 10;
/// Frames per connection.
///
/// The sum exceeds the share of the budget and the buffers of the kernel.
const FRAMES: usize = 64;
/// The time for which the share stays full.
const HOLD: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_secs(1);

/// Fills and holds the share of one peer, until the load ends.
pub(crate) fn run(load: &Load, site: &Site) {
    load.again(site.name, EVERY, |_| {
        let filled = fill(site).map_err(|e| format!("peers that do not read: {e}"))?;
        load.count_bad();
        load.is_over_within(HOLD);
        drop(filled);
        Ok(())
    });
}

/// Writes frames until every connection stalls.
fn fill(site: &Site) -> io::Result<Vec<TcpStream>> {
    let frame = frame(FRAME);
    let one = |_| {
        let mut conn = connect_from(FROM, site.gateway.addr)?;
        set_socket_recv_buffer_size(&conn, 4096)?;
        conn.set_write_timeout(Some(Duration::from_millis(200)))?;
        for _ in 0..FRAMES {
            match conn.write_all(&frame) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                done => done?,
            }
        }
        Ok(conn)
    };
    (0..CONNS).map(one).collect()
}
