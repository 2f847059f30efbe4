//! The operator: performs its actions in order, and checks their results.

use std::sync::Arc;
use std::time::Duration;

use ron_transport::limits::{ByteRates, Deadlines};
use ron_transport::{DrainReport, IpPrefixes, Limits, Overflow, Transport};
use tokio::task::yield_now;
use tokio::time::{advance, Instant};

use crate::script::{LimitPlan, Op};
use crate::world::World;

/// Longest end of a drain after its deadline.
const DRAIN_TICK: Duration = Duration::from_millis(250);

/// Performs the actions of the script; returns whether a shutdown has ended.
pub(crate) async fn run(world: Arc<World>, transport: Arc<Transport>) {
    for (at, op) in world.script.ops.clone() {
        world.until(at).await;
        world.books().trace("op", at, 0);
        match op {
            Op::Reload(plan) => reload(&world, &transport, plan),
            Op::Cancel(peer) => cancel(&world, peer),
            Op::Overload(on) => {
                transport.set_overloaded(on);
                world.books().overloaded = on;
            }
            Op::Exhaust(accepts) => world.queue.exhaust(accepts),
            Op::AbortAccepts(accepts) => world.queue.abort_accepts(accepts),
            Op::Jump(ms) => {
                world.books().jumped = Some(Instant::now() + Duration::from_millis(ms));
                advance(Duration::from_millis(ms)).await;
            }
            Op::StopAccepting => {
                note_stop(&world);
                let (world, transport) = (Arc::clone(&world), Arc::clone(&transport));
                Arc::clone(&world).spawn(async move {
                    transport.stop_accepting().await;
                    if !world.queue.is_closed() {
                        let what = "the listener is open after stop_accepting".to_owned();
                        world.books().broken("drain", what);
                    }
                });
            }
            Op::Shutdown(ms) => {
                let (world, transport) = (Arc::clone(&world), Arc::clone(&transport));
                Arc::clone(&world).spawn(async move { shutdown(&world, &transport, ms).await });
            }
        }
        // The task of a shutdown begins before the next action.
        yield_now().await;
    }
}

fn note_stop(world: &World) {
    let now = Instant::now();
    world.books().stopped.get_or_insert(now);
}

/// Shuts the transport down and checks the report.
pub(crate) async fn shutdown(world: &World, transport: &Transport, ms: u64) {
    note_stop(world);
    let began = Instant::now();
    let deadline = Duration::from_millis(ms);
    let open = {
        let mut books = world.books();
        // A shutdown during another one accounts for the connections that are left.
        let is_first = books.draining.is_none();
        books.draining.get_or_insert(began);
        let killed = began + deadline;
        books.killed = Some(books.killed.map_or(killed, |at| at.min(killed)));
        if is_first {
            books.streams_in_use()
        } else {
            0
        }
    };
    let report = transport.shutdown(deadline).await;
    let mut books = world.books();
    let DrainReport {
        finished,
        closed_idle,
        aborted,
        took,
        ..
    } = report;
    books.trace("drained", finished as u64, (closed_idle + aborted) as u64);
    // A listener that is busy with its backlog may take this long to close.
    let bound = deadline.max(Duration::from_millis(200)) + DRAIN_TICK;
    if took > bound && books.jumped.map_or(true, |at| at < began) {
        books.broken("drain", format!("it took {took:?} of {deadline:?}"));
    }
    if finished + closed_idle + aborted < open {
        let what = format!("{report:?} counts fewer than {open} connections");
        books.broken("drain", what);
    }
}

fn cancel(world: &World, peer: usize) {
    let control = world.books().peers[peer].control.clone();
    if let Some(control) = control {
        let now = Instant::now();
        world.books().peers[peer].cancelled.get_or_insert(now);
        control.cancel();
    }
}

fn reload(world: &World, transport: &Transport, plan: LimitPlan) {
    let now = world.books().limits;
    let mut config = (*transport.config()).clone();
    config.limits = limits(&plan);
    let accepted = transport.reload(config).is_ok();
    let mut books = world.books();
    let expected = plan.is_valid_after(&now) && books.stopped.is_none();
    if accepted != expected {
        let what = format!("accepted {accepted}, expected {expected}: {plan:?}");
        books.broken("reload", what);
    }
    if accepted {
        books.limits = plan;
        books.had_eviction |= plan.evict;
        books.rates.clear();
        books.had_rates |= plan.has_rates();
    }
    if transport.config().limits != limits(&books.limits) {
        let what = "the configuration in force is not the last good one".to_owned();
        books.broken("reload", what);
    }
}

/// Converts a plan to limits. Every single value is in range.
pub(crate) fn limits(plan: &LimitPlan) -> Limits {
    let ms = Duration::from_millis;
    let deadlines = Deadlines::default()
        .with_read(ms(plan.read_ms))
        .with_write(ms(plan.write_ms))
        .with_idle(ms(plan.idle_ms))
        .with_half_close(ms(plan.half_close_ms))
        .with_handshake(ms(plan.handshake_ms))
        .with_dial(ms(plan.dial_ms))
        .with_lifetime(ms(plan.lifetime_ms));
    let rates = ByteRates::default()
        .with_per_conn(plan.per_conn)
        .with_per_peer(plan.per_peer)
        .with_global_ingress(plan.ingress)
        .with_global_egress(plan.egress);
    let set = |limits: &mut Limits| {
        limits
            .set_max_conns(plan.max_conns)?
            .set_evict_after(ms(plan.evict_after_ms))?
            .set_deadlines(deadlines)?
            .set_rates(rates)?
            .set_max_frame_bytes(plan.max_frame)?
            .set_chunk_bytes(plan.chunk)?
            .set_writer_inbox(plan.inbox)?
            .set_memory_bytes(plan.memory)?
            .set_max_pending_handshakes(plan.max_pending)?
            .set_accept_rates(plan.accepts, plan.peer_accepts)?
            .set_peer_max_conns(plan.peer_conns)?
            .set_peer_pending_handshakes(plan.peer_pending)?
            .set_ipv4_prefix(plan.prefix)
            .map(drop)
    };
    let mut limits = Limits::default();
    set(&mut limits).expect("each value of a script is in range");
    limits.set_overflow(if plan.evict {
        Overflow::Evict
    } else {
        Overflow::Refuse
    });
    if plan.deny != 0 {
        let denied = format!("10.0.0.{}", plan.deny);
        let denied = IpPrefixes::parse(&[denied]).expect("an address");
        limits.set_denied_peers(denied);
    }
    limits
}
