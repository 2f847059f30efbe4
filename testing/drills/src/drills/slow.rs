//! Stalling peers, each ended by its deadline.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ron_lab::process::PATIENCE;

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::client::{connect, ended, pattern, ping};
use ron_lab::Gateway;
use ron_lab::Lab;

/// The deadline in all of these drills.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// How much later than its deadline a connection may end.
const LATE: f64 = 1.1;
/// The interval of the slow writer's bytes.
const TRICKLE: Duration = Duration::from_millis(100);

pub(super) const READER: Drill = Drill {
    name: "slow-reader",
    fault: "a peer sends and never reads the answers",
    expected: "rejected_total{reason=\"timeout\"}, op write, within write_timeout + 10 %",
    cure: "the peer is gone; the next one is served",
    quick: true,
    run: reader,
};

fn reader(lab: &Lab, case: &mut Case) -> Outcome {
    let gateway = lab
        .gateway()
        .args(["--transport.write-timeout", "2s"])
        .spawn()?;
    let conn = impatient(gateway.addr)?;
    thread::scope(|scope| {
        let (stalled, sent) = fill(&conn)?;
        case.note(format!("stalled after {} KiB", sent >> 10));
        case.fault_since(stalled);
        // It continues to try, in case the machine paused; the end is an error.
        scope.spawn(|| while fill(&conn).is_ok() {});
        let ended = timed_out(&gateway, case, "write", Duration::ZERO);
        // Ends the thread in any case.
        let _ = conn.shutdown(Shutdown::Both);
        ended
    })?;
    drop(conn);
    serves(gateway, case)
}

pub(super) const HONEST: Drill = Drill {
    name: "slow-but-honest",
    fault: "a peer reads 100 kB/s of a fast stream without a pause, then stalls",
    expected:
        "no reject while it reads; then rejected_total{reason=\"timeout\"}, op write, within \
               write_timeout + 10 %",
    cure: "the peer is gone; the next one is served",
    quick: true,
    run: honest,
};

/// The honest reader's bytes per second.
///
/// The floor is 33 kB/s with a write deadline of 2 s.
const HONEST_RATE: u128 = 100_000;

fn honest(lab: &Lab, case: &mut Case) -> Outcome {
    let gateway = lab
        .gateway()
        .args(["--transport.write-timeout", "2s"])
        .spawn()?;
    let conn = connect(gateway.addr).map_err(|e| e.to_string())?;
    thread::scope(|scope| {
        let mut sending = &conn;
        let block = pattern(64 << 10);
        scope.spawn(move || while sending.write_all(&block).is_ok() {});
        let read = read_steadily(&conn, 3 * DEADLINE);
        let ended = read.and_then(|read| {
            ensure(gateway.scrape()?.rejects() < 0.5, || {
                "the reading peer was cut".into()
            })?;
            case.note(format!("{} KiB read in {:?}", read >> 10, 3 * DEADLINE));
            case.fault();
            timed_out(&gateway, case, "write", Duration::ZERO)
        });
        // Ends the thread in any case.
        let _ = conn.shutdown(Shutdown::Both);
        ended
    })?;
    drop(conn);
    serves(gateway, case)
}

/// Reads at [`HONEST_RATE`] for a while; returns the number of bytes.
fn read_steadily(mut conn: &TcpStream, during: Duration) -> Result<u128, Stop> {
    let (started, mut read, mut buf) = (Instant::now(), 0, [0; 4096]);
    while started.elapsed() < during {
        if read > HONEST_RATE * started.elapsed().as_millis() / 1000 {
            thread::sleep(Duration::from_millis(10));
            continue;
        }
        match conn.read(&mut buf) {
            Ok(more @ 1..) => read += more as u128,
            ended => {
                let after = started.elapsed();
                return Err(Stop::Wrong(format!("cut after {after:?}: {ended:?}")));
            }
        }
    }
    Ok(read)
}

pub(super) const WRITER: Drill = Drill {
    name: "slow-writer",
    fault: "a peer begins a frame and sends its body a byte at a time",
    expected: "rejected_total{reason=\"timeout\"}, op read, within read_timeout + 10 %",
    cure: "the peer is gone; the next one is served",
    quick: true,
    run: writer,
};

fn writer(lab: &Lab, case: &mut Case) -> Outcome {
    let args = ["--echo-frames", "--transport.read-timeout", "2s"];
    let gateway = lab.gateway().args(args).spawn()?;
    let mut conn = connect(gateway.addr).map_err(|e| e.to_string())?;
    case.fault();
    conn.write_all(&1000_u32.to_be_bytes())
        .map_err(|e| e.to_string())?;
    let trickling = thread::spawn(move || {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && conn.write_all(&[7]).is_ok() {
            thread::sleep(TRICKLE);
        }
    });
    timed_out(&gateway, case, "read", DEADLINE)?;
    trickling.join().map_err(|_| "the peer panicked")?;
    let mut framed = connect(gateway.addr).map_err(|e| e.to_string())?;
    case.cure();
    let frame = ron_lab::client::frame(1024);
    ron_lab::client::echo(&mut framed, &frame).map_err(|e| e.to_string())?;
    case.recovered("another peer is served");
    drop(framed);
    gateway.stop()?;
    Ok(())
}

pub(super) const SILENT: Drill = Drill {
    name: "silent-handshake",
    fault: "a peer connects over TLS and sends nothing",
    expected: "rejected_total{reason=\"timeout\"}, op handshake, within handshake_timeout + 10 %",
    cure: "the peer is cut off; the next one completes its handshake",
    quick: true,
    run: silent,
};

fn silent(lab: &Lab, case: &mut Case) -> Outcome {
    let gateway = lab
        .tls()
        .args(["--transport.handshake-timeout", "2s"])
        .spawn()?;
    case.fault();
    let mut conn = connect(gateway.addr).map_err(|e| e.to_string())?;
    timed_out(&gateway, case, "handshake", DEADLINE)?;
    ensure(ended(&mut conn), || "the silent peer received bytes".into())?;
    case.cure();
    let config = ron_lab::client::tls_config(lab)?;
    let conn = connect(gateway.addr).and_then(|conn| ron_lab::client::tls(&config, conn));
    let served = conn.and_then(|mut conn| ping(&mut conn, 1024));
    served.map_err(|e| e.to_string())?;
    case.recovered("another peer completes its handshake and is served");
    gateway.stop()?;
    Ok(())
}

/// Waits for the one reject, a timeout of this operation.
///
/// It must come no earlier than `least`, and shortly after its deadline.
pub(super) fn timed_out(gateway: &Gateway, case: &mut Case, op: &str, least: Duration) -> Outcome {
    gateway.until("the timeout", |now| now.rejected("timeout") >= 1.0)?;
    let took = case.since_fault();
    let error = gateway.logs_reject("timeout", op)?;
    case.signal(format!("timeout, \"{error}\""));
    ensure(took >= least, || format!("too early, after {took:?}"))?;
    let count = gateway.scrape()?.rejects();
    ensure(count < 1.5, || format!("{count} rejects for one peer"))?;
    gateway.is_ready()?;
    let (took, deadline) = (took.as_secs_f64(), DEADLINE.as_secs_f64());
    let line = format!("ended after {took:.2} s of {deadline} s");
    case.gate(took <= deadline * LATE, line)
}

/// Writes until the buffers of both sides are full.
///
/// Returns since when, and the number of written bytes.
fn fill(mut conn: &TcpStream) -> Result<(Instant, usize), String> {
    let (block, mut sent, mut since) = (pattern(64 << 10), 0, Instant::now());
    loop {
        match conn.write(&block) {
            Ok(wrote) => (since, sent) = (Instant::now(), sent + wrote),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok((since, sent))
            }
            Err(e) => return Err(format!("after {sent} bytes: {e}")),
        }
    }
}

/// Connects with a write timeout that is short beside the deadline.
fn impatient(to: SocketAddr) -> Result<TcpStream, String> {
    let conn = connect(to).map_err(|e| e.to_string())?;
    let wait = Some(Duration::from_millis(200));
    conn.set_write_timeout(wait).map_err(|e| e.to_string())?;
    Ok(conn)
}

/// Checks that another peer is served, and stops the gateway.
fn serves(gateway: Gateway, case: &mut Case) -> Outcome {
    case.cure();
    let conn = connect(gateway.addr).and_then(|mut conn| ping(&mut conn, 1024));
    conn.map_err(|e| e.to_string())?;
    case.recovered("another peer is served");
    gateway.stop()?;
    Ok(())
}
