//! Generates a script from a seed.

use super::{Hand, LimitPlan, Mode, Op, PeerPlan, Script, Step, Upstream, Wire};
use crate::rng::SimRng;

/// Milliseconds in which peers arrive and the operator acts.
const SPAN: u64 = 14_000;

impl Script {
    /// Returns the script of a seed.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let rng = &mut SimRng::new(seed);
        let limits = limits(rng);
        let count = match rng.range(0, 9) {
            0..=2 => rng.size(2, 20),
            3..=7 => rng.size(20, 120),
            _ => rng.size(120, 300),
        };
        let addresses = rng.range(1, 40);
        let peers: Vec<_> = (0..count).map(|_| peer(rng, &limits, addresses)).collect();
        let ops = ops(rng, &limits, count);
        Self {
            seed: rng.next_u64(),
            limits,
            backlog: rng.pick(&[4, 16, 128]),
            reports_taken: rng.chance(60),
            peers,
            ops,
            drain_ms: rng.range(0, 9_000),
        }
    }
}

fn limits(rng: &mut SimRng) -> LimitPlan {
    let chunk = rng.pick(&[4 << 10, 16 << 10, 64 << 10]);
    let max_frame = rng.pick(&[64 << 10, 128 << 10]);
    let mut limits = LimitPlan {
        max_conns: rng.pick(&[8, 40, 200, 1000]),
        evict: rng.chance(30),
        evict_after_ms: rng.range(1000, 4000),
        read_ms: rng.range(1000, 4000),
        write_ms: rng.range(1000, 4000),
        idle_ms: if rng.chance(15) {
            0
        } else {
            rng.range(2500, 9000)
        },
        half_close_ms: rng.range(1500, 8000),
        handshake_ms: rng.range(500, 3000),
        dial_ms: rng.range(500, 3000),
        lifetime_ms: if rng.chance(80) {
            0
        } else {
            rng.range(3000, 12_000)
        },
        chunk,
        max_frame,
        inbox: rng.pick(&[1, 4, 256]),
        memory: rng.pick(&[4 * max_frame, 8 * max_frame, 64 << 20]),
        max_pending: rng.pick(&[8, 32, 256]),
        per_conn: 0,
        per_peer: 0,
        ingress: 0,
        egress: 0,
        accepts: if rng.chance(85) { 0 } else { rng.range(5, 100) },
        peer_accepts: if rng.chance(85) { 0 } else { rng.range(1, 20) },
        peer_conns: if rng.chance(60) { 0 } else { rng.range(1, 20) },
        peer_pending: if rng.chance(80) { 0 } else { rng.range(1, 16) },
        deny: if rng.chance(80) { 0 } else { 3 },
        prefix: 32,
    };
    if rng.chance(40) {
        let least = chunk * 1000 / limits.read_ms.min(limits.write_ms) + 1;
        let mut rate = |times: u64| {
            if rng.chance(50) {
                0
            } else {
                least * rng.range(1, times)
            }
        };
        limits.per_conn = rate(8);
        limits.per_peer = rate(16);
        limits.ingress = rate(100);
        limits.egress = rate(100);
    }
    limits
}

fn wire(rng: &mut SimRng) -> Wire {
    Wire {
        delay_ms: rng.pick(&[0, 1, 5, 30, 120]),
        jitter_ms: rng.pick(&[0, 0, 2, 20]),
        cap: rng.pick(&[512, 2 << 10, 8 << 10, 64 << 10]),
        piece: rng.pick(&[0, 0, 100, 1500]),
        late: rng.pick(&[0, 0, 10, 40]),
    }
}

fn peer(rng: &mut SimRng, limits: &LimitPlan, addresses: u64) -> PeerPlan {
    let honest = rng.chance(55);
    // A crowd arrives at once, others at any time.
    let at = if rng.chance(15) {
        2000 + rng.range(0, 3)
    } else {
        rng.range(0, SPAN)
    };
    let ip = u8::try_from(rng.range(1, addresses)).unwrap_or(1);
    let mut plan = PeerPlan {
        at,
        ip,
        wire: wire(rng),
        hand: Hand::Instant,
        mode: mode(rng, honest),
        steps: Vec::new(),
    };
    if honest {
        if rng.chance(30) {
            plan.hand = Hand::Takes(rng.range(0, limits.handshake_ms - 300));
        }
        while !plan.wire.carries(limits) {
            plan.wire = wire(rng);
        }
        plan.steps = honest_steps(rng, limits, plan.mode);
    } else {
        plan.hand = hostile_hand(rng, limits);
        plan.steps = hostile_steps(rng, limits, plan.mode);
    }
    plan
}

fn mode(rng: &mut SimRng, honest: bool) -> Mode {
    let think_ms = rng.pick(&[0, 0, 5, 300, 1500, 2400]);
    match rng.range(0, if honest { 9 } else { 15 }) {
        0 => Mode::Echo,
        1..=3 => Mode::Serve { think_ms },
        4 => Mode::Busy {
            think_ms: think_ms * 3,
        },
        5 => Mode::Framed { think_ms },
        6 => Mode::Detached { think_ms },
        7 | 8 => Mode::Relay(Upstream::Serves {
            think_ms,
            dial_ms: rng.range(0, 300),
        }),
        9 => Mode::Relay(Upstream::Early {
            after: rng.size(0, 2000),
        }),
        10 => Mode::Panic {
            after: rng.size(0, 2000),
        },
        11 => Mode::Hold,
        12 => Mode::Relay(Upstream::Cuts {
            after: rng.size(0, 20_000),
        }),
        13 => Mode::Relay(Upstream::Refuses(rng.range(0, 400))),
        14 => Mode::Relay(Upstream::Silent),
        _ => Mode::Serve {
            think_ms: rng.range(0, 6000),
        },
    }
}

fn body(rng: &mut SimRng) -> usize {
    match rng.range(0, 3) {
        0 => rng.size(1, 10),
        1 | 2 => rng.size(1, 4000),
        _ => rng.size(1, 60_000),
    }
}

fn honest_steps(rng: &mut SimRng, limits: &LimitPlan, mode: Mode) -> Vec<Step> {
    let mut steps = Vec::new();
    let asks = match mode {
        Mode::Relay(Upstream::Early { .. }) => 1,
        _ => rng.range(1, 5),
    };
    for _ in 0..asks {
        if rng.chance(50) {
            let longest = if limits.idle_ms == 0 {
                4000
            } else {
                limits.idle_ms - 600
            };
            steps.push(Step::Sleep(rng.range(0, longest.min(4000))));
        }
        if rng.chance(8) && !steps.iter().any(|step| matches!(step, Step::Stall(_))) {
            steps.push(Step::Stall(
                rng.range(0, limits.read_ms.min(limits.write_ms) / 3 - 1),
            ));
        }
        let raw = matches!(
            mode,
            Mode::Serve { .. } | Mode::Busy { .. } | Mode::Relay(Upstream::Serves { .. })
        );
        if raw && rng.chance(15) {
            let piece = rng.size(1000, usize::try_from(limits.chunk / 4).unwrap_or(1000));
            let every_ms = piece as u64 * limits.write_ms / (2 * limits.chunk);
            if every_ms > 0 {
                let resp = rng.size(10_000, 120_000);
                steps.push(Step::AskSlow {
                    resp,
                    piece,
                    every_ms,
                });
                continue;
            }
        }
        steps.push(Step::Ask {
            body: body(rng),
            resp: body(rng),
        });
    }
    steps.extend([Step::Fin, Step::End]);
    steps
}

fn hostile_hand(rng: &mut SimRng, limits: &LimitPlan) -> Hand {
    match rng.range(0, 9) {
        0 => Hand::Never,
        1 => Hand::Fails(rng.range(0, 1000)),
        2 => Hand::Leaves(rng.range(0, 1000)),
        3 => Hand::Takes(rng.range(0, 2 * limits.handshake_ms)),
        _ => Hand::Instant,
    }
}

fn hostile_steps(rng: &mut SimRng, limits: &LimitPlan, mode: Mode) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..rng.range(0, 5) {
        steps.push(match rng.range(0, 9) {
            0 | 1 => Step::Sleep(rng.range(0, 5000)),
            2 => Step::Send {
                body: body(rng),
                resp: rng.size(1, 300_000),
            },
            3 => Step::Stall(rng.range(0, 6000)),
            4 => {
                let body = body(rng);
                let sent = rng.size(0, body - 1);
                Step::Partial { body, sent }
            }
            5 => Step::Fin,
            6 => Step::Reset,
            7 if mode != Mode::Echo => Step::AskSlow {
                resp: rng.size(1, 200_000),
                piece: rng.size(1, 2000),
                every_ms: rng.range(1, limits.write_ms),
            },
            _ => Step::Ask {
                body: body(rng),
                resp: body(rng),
            },
        });
    }
    if rng.chance(60) {
        steps.push(Step::End);
    }
    steps
}

fn ops(rng: &mut SimRng, limits: &LimitPlan, peers: usize) -> Vec<(u64, Op)> {
    let mut ops = Vec::new();
    for _ in 0..rng.range(0, 8) {
        let at = rng.range(100, SPAN + 1000);
        ops.push((at, op(rng, limits, peers)));
    }
    if rng.chance(25) {
        ops.push((rng.range(2000, SPAN), Op::StopAccepting));
    }
    if rng.chance(50) {
        ops.push((rng.range(2000, SPAN), Op::Shutdown(rng.range(0, 9000))));
    }
    ops.sort_by_key(|(at, _)| *at);
    ops
}

fn op(rng: &mut SimRng, limits: &LimitPlan, peers: usize) -> Op {
    match rng.range(0, 9) {
        0..=3 => Op::Reload(changed(rng, limits)),
        4 | 5 => Op::Cancel(rng.size(0, peers - 1)),
        6 => Op::Overload(rng.chance(40)),
        7 => Op::Exhaust(u32::try_from(rng.range(1, 12)).unwrap_or(1)),
        8 => Op::AbortAccepts(u32::try_from(rng.range(1, 5)).unwrap_or(1)),
        _ => Op::Jump(rng.range(10, 6000)),
    }
}

/// Returns other limits; some are invalid, or need a restart.
fn changed(rng: &mut SimRng, now: &LimitPlan) -> LimitPlan {
    let other = limits(rng);
    // Deadlines stay: the oracles know one value of each.
    let mut next = LimitPlan {
        read_ms: now.read_ms,
        write_ms: now.write_ms,
        idle_ms: now.idle_ms,
        half_close_ms: now.half_close_ms,
        handshake_ms: now.handshake_ms,
        dial_ms: now.dial_ms,
        lifetime_ms: now.lifetime_ms,
        chunk: now.chunk,
        max_frame: now.max_frame,
        inbox: now.inbox,
        ..other
    };
    next.memory = next.memory.max(4 * next.max_frame);
    let least = next.least_rate();
    for rate in [
        &mut next.per_conn,
        &mut next.per_peer,
        &mut next.ingress,
        &mut next.egress,
    ] {
        if *rate != 0 {
            *rate = (*rate).max(least);
        }
    }
    match rng.range(0, 9) {
        0 => next.per_conn = 1,
        1 => (next.max_frame, next.memory) = (128 << 10, 384 << 10),
        2 => next.prefix = 24,
        3 => next.egress = least - 1,
        _ => {}
    }
    next
}

impl LimitPlan {
    /// Returns whether a byte rate is in force.
    #[must_use]
    pub fn has_rates(&self) -> bool {
        self.per_conn | self.per_peer | self.ingress | self.egress != 0
    }

    /// Returns the smallest valid byte rate.
    #[must_use]
    pub fn least_rate(&self) -> u64 {
        (self.chunk * 1000).div_ceil(self.read_ms.min(self.write_ms))
    }

    /// Returns whether a reload from `now` to these limits must be accepted.
    #[must_use]
    pub fn is_valid_after(&self, now: &Self) -> bool {
        let rates = [self.per_conn, self.per_peer, self.ingress, self.egress];
        let rates = rates
            .iter()
            .all(|rate| *rate == 0 || *rate >= self.least_rate());
        rates && self.memory >= 4 * self.max_frame && self.prefix == now.prefix
    }
}
