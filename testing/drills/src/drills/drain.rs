//! SIGTERM while answers are owed.

mod client;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ron_lab::process::{wait_for, PATIENCE};
use rustix::process::Signal;
use tokio_rustls::rustls::ClientConfig;

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use crate::late::{answer, ask, Conn, Upstream};
use ron_lab::client::{connect, echo, frame, tls, tls_config};
use ron_lab::{Gateway, Lab};

use client::{Client, Ends, Owed};

/// Requests per forwarding gateway, and started frames.
///
/// Half of the requests are half-closed; the frames go to the gateway that echoes.
const QUESTIONS: usize = 40;
const FRAMES: usize = 20;
/// The same numbers for the run with a short `drain_timeout`.
const CUT: usize = 10;
/// The delay of answers that the short `drain_timeout` cuts.
const TOO_SLOW: Duration = Duration::from_secs(1);
/// Connections without a request, at each gateway.
const IDLE: usize = 5;
/// The delay of the slowest answer and of the slowest frame.
const SLOWEST: Duration = Duration::from_secs(3);
const ANSWER_BYTES: u32 = 64 << 10;
const FRAME_BYTES: usize = 4 << 10;
/// The time for an idle connection to end after SIGTERM.
///
/// It must have been silent for 1 s.
const IDLE_ENDS: Duration = Duration::from_millis(1500);

pub(super) const SLOW_ANSWER: Drill = Drill {
    name: "drain-slow-answer",
    fault: "SIGTERM while answers of up to 3 s are owed over TCP, TLS and in frames, and drain_timeout is shorter",
    expected: "event=shutdown with aborted above 0; each client of a cut connection sees a reset, none a clean end",
    cure: "drain_timeout above the slowest answer: aborted=0, every answer whole, idle connections end in order within 1.5 s; finished + closed_idle + aborted = open",
    quick: true,
    run,
};

fn run(lab: &Lab, case: &mut Case) -> Outcome {
    let place = Place {
        lab,
        config: tls_config(lab)?,
        upstream: Upstream::start()?,
    };
    let gateways = place.gateways("500ms")?;
    let clients = place.owed(&gateways, CUT, CUT, |_, _| TOO_SLOW)?;
    let all = clients.len();
    case.fault();
    let ends = place.stop(gateways, clients)?;
    let open = 2 * 2 * CUT + CUT;
    ensure(ends.aborted == open, || {
        format!("with drain_timeout 500ms: {ends:?}")
    })?;
    ensure(ends.cut == all, || {
        format!("{} of {all} see a reset", ends.cut)
    })?;
    case.signal(format!(
        "drain_timeout 500ms: {} of {all} clients see a reset, aborted={} of open={open}",
        ends.cut, ends.aborted,
    ));

    let gateways = place.gateways("10s")?;
    let mut clients = place.idle(&gateways)?;
    clients.extend(place.owed(&gateways, QUESTIONS, FRAMES, spread)?);
    case.cure();
    let ends = place.stop(gateways, clients)?;
    let open = 2 * 2 * (QUESTIONS + IDLE) + FRAMES + IDLE;
    let whole = ends.aborted == 0 && ends.cut == 0;
    ensure(ends.open == open && whole, || {
        format!("with drain_timeout 10s, {open} open: {ends:?}")
    })?;
    case.recovered(format!(
        "drain_timeout 10s: {} of {} answers whole, open={open} finished={} closed_idle={} aborted=0",
        ends.whole,
        2 * QUESTIONS + FRAMES,
        ends.finished,
        ends.closed_idle,
    ));
    let idle = format!(
        "{} idle connections end in order, the last after {:.2} s",
        ends.idle,
        ends.last_idle.as_secs_f64()
    );
    case.gate(ends.last_idle <= IDLE_ENDS, idle)
}

/// Returns delays from almost zero to the slowest.
fn spread(at: usize, of: usize) -> Duration {
    SLOWEST * u32::try_from(at + 1).unwrap_or(1) / u32::try_from(of).unwrap_or(1)
}

struct Place<'a> {
    lab: &'a Lab,
    config: Arc<ClientConfig>,
    upstream: Upstream,
}

/// The gateways: one forwards TCP, one forwards TLS, one echoes frames.
struct Gateways {
    tcp: Gateway,
    tls: Gateway,
    frames: Gateway,
}

impl Place<'_> {
    fn gateways(&self, drain_timeout: &str) -> Result<Gateways, String> {
        let target = format!("tcp://{}", self.upstream.addr);
        let forward = ["--forward", &target];
        let drain = ["--transport.drain-timeout", drain_timeout];
        let frames = self.lab.gateway().args(["--echo-frames"]);
        Ok(Gateways {
            tcp: self.lab.gateway().args(forward).args(drain).spawn()?,
            tls: self.lab.tls().args(forward).args(drain).spawn()?,
            frames: frames.args(drain).spawn()?,
        })
    }

    fn connect(&self, gateways: &Gateways, over_tls: bool) -> io::Result<Conn> {
        if !over_tls {
            return connect(gateways.tcp.addr).map(Conn::Plain);
        }
        let conn = tls(&self.config, connect(gateways.tls.addr)?)?;
        Ok(Conn::Tls(Box::new(conn)))
    }

    /// Opens connections that have received their answer.
    fn idle(&self, gateways: &Gateways) -> Result<Vec<Client>, String> {
        let forwarded = |over_tls| {
            let mut conn = self.connect(gateways, over_tls)?;
            ask(&mut conn, Duration::ZERO, ANSWER_BYTES)?;
            answer(&mut conn, ANSWER_BYTES)?;
            Ok::<_, io::Error>(conn)
        };
        let framed = || {
            let mut conn = connect(gateways.frames.addr)?;
            echo(&mut conn, &frame(FRAME_BYTES))?;
            Ok(Conn::Plain(conn))
        };
        let conns = (0..IDLE).flat_map(|_| [forwarded(false), forwarded(true), framed()]);
        let client = |conn| Client {
            conn,
            waits_for: Owed::Nothing,
        };
        let clients = conns.map(|conn| conn.map(client));
        clients.collect::<io::Result<_>>().map_err(before_sigterm)
    }

    /// Opens connections with a pending request, or with half a frame.
    ///
    /// The answers are held.
    fn owed(
        &self,
        gateways: &Gateways,
        questions: usize,
        frames: usize,
        delay: impl Fn(usize, usize) -> Duration,
    ) -> Result<Vec<Client>, String> {
        self.upstream.hold();
        let mut clients = Vec::new();
        let question = |n: usize, over_tls| {
            let mut conn = self.connect(gateways, over_tls)?;
            ask(&mut conn, delay(n, questions), ANSWER_BYTES)?;
            if n % 2 == 1 {
                conn.half_close()?;
            }
            Ok::<_, io::Error>(conn)
        };
        for n in 0..questions {
            for over_tls in [false, true] {
                clients.push(Client {
                    conn: question(n, over_tls).map_err(before_sigterm)?,
                    waits_for: Owed::Answer,
                });
            }
        }
        let bytes = |gateway: &Gateway| Ok::<_, String>(gateway.scrape()?.sum("bytes_in_total"));
        let before = bytes(&gateways.frames)?;
        for n in 0..frames {
            let mut conn = connect(gateways.frames.addr).map_err(before_sigterm)?;
            let half = &frame(FRAME_BYTES)[..FRAME_BYTES / 2];
            conn.write_all(half).map_err(before_sigterm)?;
            clients.push(Client {
                conn: Conn::Plain(conn),
                waits_for: Owed::Frame(delay(n, frames)),
            });
        }
        wait_for("the requests and half frames", PATIENCE, || {
            let halves = bytes(&gateways.frames)? - before >= (frames * FRAME_BYTES / 2) as f64;
            Ok((halves && self.upstream.asked() == 2 * questions).then_some(()))
        })?;
        Ok(clients)
    }

    /// Sends SIGTERM, releases the answers, and waits for every end.
    fn stop(&self, gateways: Gateways, clients: Vec<Client>) -> Result<Ends, Stop> {
        let Gateways { tcp, tls, frames } = gateways;
        let all = [tcp, tls, frames];
        for gateway in &all {
            gateway.signal(Signal::TERM)?;
        }
        let since = Instant::now();
        self.upstream.release();
        let mut ends = Ends::default();
        thread::scope(|scope| {
            let waiting = clients
                .into_iter()
                .map(|it| scope.spawn(move || it.wait(since)));
            // All threads run before the first one is joined.
            for client in waiting.collect::<Vec<_>>() {
                ends.add(client.join().map_err(|_| "a client panicked")??);
            }
            Ok::<_, String>(())
        })?;
        for gateway in all {
            ends.report(&gateway.ended_well()?)?;
        }
        Ok(ends)
    }
}

fn before_sigterm(error: impl std::fmt::Display) -> String {
    format!("before SIGTERM: {error}")
}
