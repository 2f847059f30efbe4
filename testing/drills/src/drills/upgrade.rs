//! One gateway takes over from another at the same address, under load.

mod traffic;

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ron_lab::process::{wait_for, PATIENCE};
use rustix::net::getsockname;
use rustix::net::sockopt::socket_acceptconn;
use rustix::process::{pidfd_getfd, pidfd_open, Pid, PidfdFlags, PidfdGetfdFlags, Signal};
use tokio_rustls::rustls::ClientConfig;

use super::Drill;
use crate::alerts;
use crate::case::{ensure, Case, Outcome, Stop};
use crate::late::Upstream;
use ron_lab::client::{connect, ping, tls, tls_config};
use ron_lab::netns::Netns;
use ron_lab::Gateway;
use ron_lab::Lab;
use ron_lab::Start;

use traffic::{Long, Slow, Tally, Traffic};

/// The listen address, in an empty network namespace.
const ADDR: &str = "127.0.0.1:9444";
/// The descriptors among which the socket is.
const MAX_FD: i32 = 256;
/// Clients that arrive while one of two gateways hangs.
///
/// Each gateway gets about half of them.
const QUEUED: usize = 40;
/// The duration of the traffic before and after a takeover.
const A_WHILE: Duration = Duration::from_millis(500);

pub(super) const ROLLING: Drill = Drill {
    name: "rolling-upgrade",
    fault: "one gateway drains while a second takes over at the same address, under load with answers of up to 3 s",
    expected: "the old one: /readyz 503, conn_inflight 0, aborted=0; no connection refused, none broken that could finish, no slow answer lost",
    cure: "socket activation, or tcp.reuse_port with net.ipv4.tcp_migrate_req=1; then the validation: /readyz 200, no NotReady, buckets stable, rejects not above the baseline",
    quick: true,
    run: rolling,
};

fn rolling(lab: &Lab, case: &mut Case) -> Outcome {
    let netns = Netns::new("a")?;
    let addr = ADDR.parse::<SocketAddr>().map_err(|e| e.to_string())?;
    let upstream = netns.within(Upstream::start)??;
    let target = format!("tcp://{}", upstream.addr);
    let place = Place {
        config: tls_config(lab)?,
        start: lab.tls().within(&netns.name).args([
            "--forward",
            &target,
            "--transport.drain-timeout",
            "15s",
        ]),
        netns,
        addr,
    };
    let old = place.activated()?;
    let socket = take_socket(&old, addr)?;
    case.fault();
    let (new, tally) = place.take_over(case, old, |start| start.socket(socket).spawn())?;
    case.signal(result_line("socket activation", tally));
    ensure(tally.refused + tally.broken == 0, || {
        result_line("socket activation", tally)
    })?;
    case.cure();
    place.validate(case, &new)?;
    let watched = case.mode.watch.as_secs();
    case.recovered(format!("valid for {watched} s"));
    new.stop()?;

    let shared = place.start.clone().bind(addr);
    let shared = shared.args(["--transport.tcp.reuse-port", "on"]);
    for migrate in [true, false] {
        place.migrate(migrate)?;
        let name = format!("tcp.reuse_port, tcp_migrate_req={}", u8::from(migrate));
        let (new, tally) = place.take_over(case, shared.spawn()?, |_| shared.spawn())?;
        case.note(result_line(&name, tally));
        ensure(!migrate || tally.refused + tally.broken == 0, || {
            result_line(&name, tally)
        })?;
        new.stop()?;
        let lost = place.lost_with(shared.spawn()?, shared.spawn()?)?;
        case.note(format!(
            "{name}: of {QUEUED} connections queued at a hanging gateway that is killed, {lost} break"
        ));
        ensure((lost > 0) != migrate, || {
            format!("{name}: {lost} connections are lost")
        })?;
    }
    Ok(())
}

fn result_line(how: &str, tally: Tally) -> String {
    let Tally {
        whole,
        refused,
        broken,
    } = tally;
    format!("{how}: {whole} connections whole, {refused} refused, {broken} broken")
}

/// The place of the takeover.
struct Place {
    netns: Netns,
    config: Arc<ClientConfig>,
    start: Start,
    addr: SocketAddr,
}

impl Place {
    /// Starts a gateway by `systemd-socket-activate`, with its first connection.
    fn activated(&self) -> Result<Gateway, String> {
        let quiet = "SYSTEMD_LOG_LEVEL=warning";
        let activate = ["env", quiet, "systemd-socket-activate", "-l", ADDR];
        let start = self.start.clone().unbound().before(&activate);
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                self.netns.within(|| {
                    let conn = wait_for("the socket", PATIENCE, || Ok(connect(self.addr).ok()))?;
                    let served = tls(&self.config, conn).and_then(|mut conn| ping(&mut conn, 64));
                    served.map_err(|e| format!("the first connection: {e}"))
                })
            });
            let gateway = start.spawn();
            first.join().map_err(|_| "the client panicked")???;
            gateway
        })
    }

    /// Sets whether queued connections of a closing listener migrate to another one.
    fn migrate(&self, on: bool) -> Result<(), String> {
        let key = "/proc/sys/net/ipv4/tcp_migrate_req";
        let set = self
            .netns
            .within(|| fs::write(key, if on { "1" } else { "0" }))?;
        set.map_err(|e| format!("{key}: {e}"))
    }

    /// Replaces a gateway under load; returns the connections' results.
    fn take_over(
        &self,
        case: &mut Case,
        old: Gateway,
        start: impl FnOnce(Start) -> Result<Gateway, String>,
    ) -> Result<(Gateway, Tally), Stop> {
        let traffic = Traffic::start(&self.netns, &self.config, self.addr)?;
        let long = Long::start(&self.netns, &self.config, self.addr)?;
        thread::sleep(A_WHILE);
        let slow = Slow::start(&self.netns, &self.config, self.addr)?;
        let new = start(self.start.clone().unbound())?;
        new.is_ready()?;
        old.signal(Signal::TERM)?;
        wait_for("/readyz 503 of the one that drains", PATIENCE, || {
            let (status, _) = old.admin.get("/readyz")?;
            Ok((status == 503).then_some(()))
        })?;
        let (finished, answered) = (long.finished()?, slow.finished()?);
        let report = old.ended_well()?;
        ensure(report["aborted"] == 0, || format!("cut: {report}"))?;
        thread::sleep(A_WHILE);
        let last = traffic.last();
        let tally = traffic.stop();
        case.note(format!(
            "{finished} long connections finish, {answered} slow answers whole, {} drained",
            report["drained"]
        ));
        if !last.is_empty() {
            case.note(format!("\"{last}\""));
        }
        Ok((new, tally))
    }

    /// Returns the broken connections among those queued at a hanging gateway.
    ///
    /// The gateway is killed before it accepts them; the other one serves.
    fn lost_with(&self, other: Gateway, hangs: Gateway) -> Result<usize, Stop> {
        hangs.hang()?;
        let lost = self.netns.within(|| {
            let one = || connect(self.addr).and_then(|conn| tls(&self.config, conn));
            thread::scope(|scope| {
                let clients: Vec<_> = (0..QUEUED).map(|_| scope.spawn(one)).collect();
                thread::sleep(A_WHILE);
                hangs.kill()?;
                let ended = clients.into_iter().map(thread::ScopedJoinHandle::join);
                Ok::<_, String>(ended.filter(|end| !matches!(end, Ok(Ok(_)))).count())
            })
        })??;
        other.stop()?;
        Ok(lost)
    }

    /// Runs the runbook's validation after an upgrade, under load.
    fn validate(&self, case: &Case, new: &Gateway) -> Outcome {
        let traffic = Traffic::start(&self.netns, &self.config, self.addr)?;
        thread::sleep(A_WHILE);
        let (mut before, until) = (new.scrape()?, Instant::now() + case.mode.watch);
        let usual = before.p95("tls").ok_or("no handshakes")?.max(0.08);
        while Instant::now() < until {
            thread::sleep(Duration::from_secs(1));
            new.is_ready()?;
            let now = new.scrape()?;
            let rise = now.since(&before);
            ensure(rise.became_not_ready() < 0.5, || "NotReady".into())?;
            ensure(alerts::reject_share(&rise) <= 0.0, || {
                "rejects above the baseline".into()
            })?;
            let p95 = rise.p95("tls").ok_or("no handshakes")?;
            let stable = p95 <= usual || !case.mode.gates;
            ensure(stable, || {
                format!("p95 in the bucket to {p95} s, before {usual} s")
            })?;
            before = now;
        }
        let tally = traffic.stop();
        ensure(tally.refused + tally.broken == 0, || {
            result_line("the watch", tally)
        })
    }
}

/// Duplicates the listening socket that a service manager has passed on.
fn take_socket(gateway: &Gateway, addr: SocketAddr) -> Result<OwnedFd, String> {
    let pid = i32::try_from(gateway.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or("no process id")?;
    let process = pidfd_open(pid, PidfdFlags::empty());
    let process = process.map_err(|e| format!("cannot open the process: {e}"))?;
    let is_it = |socket: &OwnedFd| {
        let at = getsockname(socket).map(SocketAddr::try_from);
        at.is_ok_and(|at| at.is_ok_and(|at| at == addr))
            && socket_acceptconn(socket).unwrap_or(false)
    };
    (0..MAX_FD)
        .filter_map(|fd| pidfd_getfd(&process, fd, PidfdGetfdFlags::empty()).ok())
        .find(is_it)
        .ok_or_else(|| format!("the gateway has no listening socket at {addr}"))
}
