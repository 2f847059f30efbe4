//! Three replicas behind a real balancer with the PROXY protocol.
//!
//! The balancer runs its example configuration of `deploy/`, with other addresses. One drill serves
//! all balancers.

mod clients;
mod program;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use ron_lab::netns::Netns;
use ron_lab::process::{wait_for, PATIENCE};
use ron_lab::{Gateway, Lab, Start};
use rustix::process::Signal;

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use clients::{Crowd, Hot, Long, Traffic};
use program::{Program, FRONT, REPLICAS};

/// The index of the replica that is killed.
const VICTIM: usize = 1;
/// The connection cap of one peer at each replica.
///
/// An honest address opens five connections in all.
const CAP: usize = 10;
/// The maximum ratio of honest latencies.
const SLOWER: f64 = 1.5;
const A_WHILE: Duration = Duration::from_millis(500);

const EXPECTED: &str = "peer_limit at each replica for the hot address alone, peer_conns_max at the cap, honest p99 at most 1.5 x; no connection lost by the restarts; the kill costs only connections of its replica";

pub(super) const HAPROXY: Drill = Drill {
    name: "behind-balancer",
    fault: "behind HAProxy one address floods three replicas beside 200 clients of 40 addresses; each replica restarts under load; one is killed with -9",
    expected: EXPECTED,
    cure: "proxy.trusted with PROXY protocol v2; drain_timeout and health checks of /readyz; the killed replica starts again",
    quick: false,
    run: |lab, case| replicated(lab, case, &program::HAPROXY),
};

pub(super) const NGINX: Drill = Drill {
    name: "behind-nginx",
    fault: "as `behind-balancer`, behind nginx, which sends PROXY protocol v1 and has no health checks",
    expected: EXPECTED,
    cure: "proxy.trusted with PROXY protocol v1; drain_timeout and max_fails; the killed replica starts again",
    quick: false,
    run: |lab, case| replicated(lab, case, &program::NGINX),
};

pub(super) const ENVOY: Drill = Drill {
    name: "behind-envoy",
    fault: "as `behind-balancer`, behind Envoy",
    expected: EXPECTED,
    cure: "proxy.trusted with PROXY protocol v2; drain_timeout, health checks of /readyz and outlier_detection; the killed replica starts again",
    quick: false,
    run: |lab, case| replicated(lab, case, &program::ENVOY),
};

fn replicated(lab: &Lab, case: &mut Case, program: &Program) -> Outcome {
    let netns = Netns::new("edge")?;
    let place = Place { lab, netns };
    let mut replicas = REPLICAS
        .iter()
        .map(|host| place.replica(*host))
        .collect::<Result<Vec<_>, _>>()?;
    let _balancer = program.start(lab, &place.netns)?;
    place.netns.within(|| {
        place.flood(case, &replicas, program)?;
        for at in 0..replicas.len() {
            place.restart(case, &mut replicas, at)?;
        }
        place.kill(case, &mut replicas)?;
        // Here, because a process ends with the thread that started it.
        for replica in replicas {
            replica.stop()?;
        }
        Ok::<_, Stop>(())
    })??;
    Ok(())
}

struct Place<'a> {
    lab: &'a Lab,
    netns: Netns,
}

impl Place<'_> {
    fn start(&self, host: u8) -> Start {
        let addr = Ipv4Addr::new(127, 0, 0, host);
        self.lab
            .gateway()
            .within(&self.netns.name)
            .bind(SocketAddr::from((addr, 9444)))
            .admin(&format!("{addr}:9909"))
            .args(["--transport.proxy.trusted", "127.0.0.1"])
            .args(["--transport.per-peer.max-conns", &CAP.to_string()])
            .args(["--transport.drain-timeout", "15s"])
    }

    fn replica(&self, host: u8) -> Result<Gateway, String> {
        self.start(host).spawn()
    }

    /// One address floods beside the honest ones.
    fn flood(&self, case: &mut Case, replicas: &[Gateway], program: &Program) -> Outcome {
        let crowd = Crowd::connect(front())?;
        let rounds = if case.mode.gates { 9 } else { 1 };
        let (mut quiet, mut hot, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let calm = crowd.p99()?;
            if round == 0 {
                case.fault();
            }
            let flood = Hot::start(front());
            for (replica, host) in replicas.iter().zip(REPLICAS) {
                let at_cap = |now: &ron_lab::Scrape| {
                    let most = now.value("peer_conns_max{backend=\"tcp\"}");
                    now.rejected("peer_limit") > 0.5 && (most - CAP as f64).abs() < 0.5
                };
                replica.until(&format!("the cap at replica {host}"), at_cap)?;
            }
            let flooded = crowd.p99()?;
            let held = flood.stop()?;
            // The balancer may not have closed a refused connection yet.
            ensure(held >= CAP * replicas.len(), || {
                format!("the hot address held {held} connections")
            })?;
            quiet.push(calm);
            hot.push(flooded);
            ratios.push(flooded / calm);
            for replica in replicas {
                replica.until("the end of the flood", |now| {
                    now.value("peer_conns_max{backend=\"tcp\"}") < CAP as f64 - 0.5
                })?;
            }
        }
        let mut refused = Vec::new();
        for replica in replicas {
            let now = replica.scrape()?;
            let others = now.rejects() - now.rejected("peer_limit");
            ensure(others < 0.5, || {
                format!("{others} rejects of another reason")
            })?;
            refused.push(format!("{:.0}", now.rejected("peer_limit")));
            let header = program.header;
            let announced = format!("proxy_headers_total{{version=\"{header}\",result=\"ok\"}}");
            ensure(now.value(&announced) > 0.5, || {
                format!("{} sent no header of {header}", program.name)
            })?;
        }
        case.signal(format!(
            "peer_limit {} at the replicas, peer_conns_max {CAP} at each, all {} honest connections served",
            refused.join(", "),
            crowd.len()
        ));
        let (quiet, hot, ratio) = (median(quiet), median(hot), median(ratios));
        let line = format!(
            "honest p99 {:.2} ms, {:.2} ms during the flood ({ratio:.2} x, median of {rounds})",
            quiet * 1e3,
            hot * 1e3
        );
        case.gate(ratio <= SLOWER, line)
    }

    /// Stops one replica under load and starts it again.
    fn restart(&self, case: &mut Case, replicas: &mut [Gateway], at: usize) -> Outcome {
        let traffic = Traffic::start(front());
        let long = Long::start(front())?;
        thread::sleep(A_WHILE);
        replicas[at].signal(Signal::TERM)?;
        wait_for("/readyz 503 of the one that drains", PATIENCE, || {
            let (status, _) = replicas[at].admin.get("/readyz")?;
            Ok((status == 503).then_some(()))
        })?;
        let finished = long.finished()?;
        let report = self.replace(replicas, at)?.ended_well()?;
        ensure(report["aborted"] == 0, || format!("cut: {report}"))?;
        Self::serves_again(&replicas[at])?;
        thread::sleep(A_WHILE);
        let tally = traffic.stop()?;
        let line = format!(
            "restart {} of 3: {} connections whole, {} lost, {finished} long ones finish, {} drained",
            at + 1,
            tally.whole,
            tally.lost,
            report["drained"]
        );
        ensure(tally.lost == 0, || format!("{line}: {}", tally.last))?;
        case.note(line);
        Ok(())
    }

    /// Waits for the end of a replica and starts its successor.
    fn replace(&self, replicas: &mut [Gateway], at: usize) -> Result<Gateway, Stop> {
        wait_for("the end of the old replica", PATIENCE, || {
            Ok(replicas[at].admin.get("/readyz").is_err().then_some(()))
        })?;
        let new = wait_for("the address", PATIENCE, || {
            Ok(self.replica(REPLICAS[at]).ok())
        })?;
        Ok(std::mem::replace(&mut replicas[at], new))
    }

    fn serves_again(replica: &Gateway) -> Outcome {
        replica.is_ready()?;
        replica.until("connections from the balancer", |now| {
            now.sum("transport_accepts_total") > 0.5
        })?;
        Ok(())
    }

    /// Kills one replica; only its connections break.
    fn kill(&self, case: &mut Case, replicas: &mut [Gateway]) -> Outcome {
        let mut crowd = Crowd::connect(front())?;
        crowd.p99()?;
        // Connections of the earlier traffic may still be closing.
        let mut held = Vec::new();
        let settled = wait_for("the connections of the crowd alone", PATIENCE, || {
            held.clear();
            for replica in replicas.iter() {
                held.push(replica.scrape()?.inflight());
            }
            let all: f64 = held.iter().sum();
            Ok(((all - crowd.len() as f64).abs() < 0.5).then_some(()))
        });
        settled.map_err(|error| format!("{error}; the replicas have {held:?}"))?;
        let on_victim = held[VICTIM];
        replicas[VICTIM].signal(Signal::KILL)?;
        let broken = crowd.broken();
        ensure((broken.all as f64 - on_victim).abs() < 0.5, || {
            format!(
                "{} connections break, the victim had {on_victim}",
                broken.all
            )
        })?;
        case.note(format!(
            "kill -9: {} of {} connections break, those of the replica, at {} of 40 addresses; {} see an end of stream, {} a reset",
            broken.all,
            crowd.len(),
            broken.addresses,
            broken.ended,
            broken.reset
        ));
        let traffic = Traffic::start(front());
        thread::sleep(A_WHILE);
        case.cure();
        let new = self.replica(REPLICAS[VICTIM])?;
        // Its status is the signal.
        let _ = std::mem::replace(&mut replicas[VICTIM], new).kill();
        Self::serves_again(&replicas[VICTIM])?;
        let tally = traffic.stop()?;
        ensure(tally.lost == 0, || {
            format!("{} new connections lost: {}", tally.lost, tally.last)
        })?;
        case.recovered(format!(
            "{} new connections whole meanwhile, the replica serves again",
            tally.whole
        ));
        Ok(())
    }
}

fn front() -> SocketAddr {
    // A constant of this file.
    FRONT
        .parse()
        .unwrap_or_else(|_| SocketAddr::from(([0; 4], 0)))
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}
