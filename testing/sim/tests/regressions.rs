//! Scripts that broke a rule once, each cut to its cause.

use ron_sim::script::{Hand, LimitPlan, Mode, Op, PeerPlan, Script, Step, Upstream, Wire};

const LIMITS: LimitPlan = LimitPlan {
    max_conns: 200,
    evict: false,
    evict_after_ms: 1000,
    read_ms: 2000,
    write_ms: 2000,
    idle_ms: 5000,
    half_close_ms: 4000,
    handshake_ms: 3000,
    dial_ms: 2000,
    lifetime_ms: 0,
    chunk: 16 << 10,
    max_frame: 64 << 10,
    inbox: 4,
    memory: 64 << 20,
    max_pending: 32,
    per_conn: 0,
    per_peer: 0,
    ingress: 0,
    egress: 0,
    accepts: 0,
    peer_accepts: 0,
    peer_conns: 0,
    peer_pending: 0,
    deny: 0,
    prefix: 32,
};

const WIRE: Wire = Wire {
    delay_ms: 1,
    jitter_ms: 0,
    cap: 64 << 10,
    piece: 0,
    late: 0,
};

fn script(peers: Vec<PeerPlan>, ops: Vec<(u64, Op)>) -> Script {
    Script {
        seed: 1,
        limits: LIMITS,
        backlog: 16,
        reports_taken: true,
        peers,
        ops,
        drain_ms: 1000,
    }
}

fn peer(hand: Hand, mode: Mode, steps: Vec<Step>) -> PeerPlan {
    PeerPlan {
        at: 0,
        ip: 1,
        wire: WIRE,
        hand,
        mode,
        steps,
    }
}

/// Seed 1: a second shutdown reported `draining` after `stopped`.
#[test]
fn second_shutdown_stays_stopped() {
    ron_sim::check(&script(Vec::new(), vec![(100, Op::Shutdown(500))]));
}

/// Seed 7: handshakes that a drain cut were not counted.
#[test]
fn drained_handshake_counted() {
    let peers = vec![peer(Hand::Never, Mode::Echo, vec![Step::End]); 3];
    ron_sim::check(&script(peers, vec![(500, Op::Shutdown(2000))]));
}

/// Drains let a handler answer that thinks for longer than a second.
#[test]
fn slow_answer_survives_drain() {
    let mode = Mode::Busy { think_ms: 3000 };
    let steps = vec![Step::Ask { body: 10, resp: 10 }, Step::Fin, Step::End];
    let peers = vec![peer(Hand::Instant, mode, steps)];
    let script = script(peers, vec![(500, Op::Shutdown(9000))]);
    assert!(script.peers[0].is_honest(&script.limits));
    ron_sim::check(&script);
}

/// Seed 83: a drain cut a throttled answer after a stop.
#[test]
fn throttled_answer_survives_drain_after_stop() {
    let mut plan = peer(
        Hand::Instant,
        Mode::Serve { think_ms: 2400 },
        vec![
            Step::Ask {
                body: 40_380,
                resp: 246,
            },
            Step::AskSlow {
                resp: 99_062,
                piece: 1119,
                every_ms: 98,
            },
        ],
    );
    plan.at = 2001;
    let ops = vec![(7101, Op::Shutdown(7695)), (11_391, Op::Jump(2712))];
    let mut script = script(vec![plan], ops);
    script.limits.per_conn = 17_061;
    script.limits.idle_ms = 8627;
    script.reports_taken = false;
    ron_sim::check(&script);
}

/// Seed 553: a drain cut an arrived answer after a stop.
#[test]
fn arrived_answer_survives_drain_after_stop() {
    let mode = Mode::Relay(Upstream::Early { after: 1809 });
    let steps = vec![Step::Ask {
        body: 1875,
        resp: 43_584,
    }];
    let mut plan = peer(Hand::Instant, mode, steps);
    plan.at = 11_802;
    plan.wire = Wire {
        delay_ms: 120,
        cap: 2048,
        piece: 100,
        ..WIRE
    };
    let ops = vec![(13_076, Op::Shutdown(7442)), (13_295, Op::Jump(5678))];
    let mut script = script(vec![plan], ops);
    script.limits.idle_ms = 7956;
    ron_sim::check(&script);
}

/// A queued frame exceeded the memory budget.
#[test]
fn sent_frames_keep_memory_budget() {
    ron_sim::check(&Script::generate(1919));
}

/// Pipelined requests are not seen on a raw connection (`Control::is_idle`).
#[test]
fn pipelined_request_at_drain() {
    ron_sim::check(&Script::generate(2194));
    ron_sim::check(&Script::generate(3656));
}

/// The half-close timeout counted the silence before the end of the stream.
#[test]
fn end_of_stream_after_silence() {
    ron_sim::check(&Script::generate(2891));
}

/// A drain ended a throttled answer in order after two stops.
#[test]
fn throttled_answer_survives_two_stops() {
    ron_sim::check(&Script::generate(3154));
}

/// A shutdown did not count a relay that had ended before.
#[test]
fn ended_relay_not_counted_by_drain() {
    ron_sim::check(&Script::generate(7761));
}

/// The reserve granted a frame above a lowered limit.
///
/// Handlers that keep frames would otherwise wait for each other.
#[test]
fn reserve_after_lowered_memory_limit() {
    ron_sim::check(&Script::generate(7525));
}

/// A failed write counted as waiting.
///
/// So did the last bytes after the failure of the other leg.
#[test]
fn write_deadline_of_an_ended_relay() {
    ron_sim::check(&Script::generate(52_384));
    ron_sim::check(&Script::generate(55_580));
}

/// A drain began as the machine resumed.
///
/// It looked twice before the upstream went on.
#[test]
fn answer_of_resumed_upstream_survives_drain() {
    ron_sim::check(&Script::generate(20_896));
}
