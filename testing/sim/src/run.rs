//! One run of a script.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use ron_transport::Transport;
use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;

use crate::books::Violation;
use crate::net::{SimDialer, SimListener};
use crate::observer::BookKeeper;
use crate::operator;
use crate::script::Script;
use crate::world::World;
use crate::{client, handler};

/// Interval of the oracles.
const STEP: Duration = Duration::from_millis(50);
/// Time of a run after which the transport is shut down.
const LAST: u64 = 60_000;
/// Time for every task to end after the shutdown.
const SETTLE: Duration = Duration::from_secs(20);

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The hash of every event with its time.
    pub hash: u64,
    /// The number of events.
    pub events: u64,
    /// The broken rules, in order.
    pub violations: Vec<Violation>,
}

/// Runs a script to its end.
///
/// # Panics
/// When the runtime cannot be built.
#[must_use]
pub fn run(script: &Script) -> Report {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(
        &script.seed.to_be_bytes(),
    ));
    let runtime = builder.build().expect("a runtime without I/O");
    let ran = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(simulate(script))));
    ran.unwrap_or_else(|_| Report {
        hash: 0,
        events: 0,
        violations: vec![Violation {
            oracle: "panic",
            at_ms: 0,
            what: "the simulation panicked".to_owned(),
        }],
    })
}

async fn simulate(script: &Script) -> Report {
    let world = World::new(script);
    let transport = Transport::builder()
        .limits(operator::limits(&script.limits))
        .raw_listener("sim", SimListener(world.queue.clone()))
        .raw_dialer("up", SimDialer(Arc::clone(&world)))
        .observer(Arc::new(BookKeeper(Arc::clone(&world))))
        .build()
        .expect("the limits of a script are valid");
    let transport = Arc::new(transport);
    transport.listen().await.expect("the listener is bound");
    serve(&world, &transport);
    for peer in 0..script.peers.len() {
        world.spawn(client::run(Arc::clone(&world), peer));
    }
    world.spawn(operator::run(Arc::clone(&world), Arc::clone(&transport)));
    check_steps(&world, &transport).await;
    operator::shutdown(&world, &transport, script.drain_ms).await;
    world.books().is_over = true;
    sleep(SETTLE).await;
    let alive = Handle::current().metrics().num_alive_tasks();
    let limiter = transport.limiter().clone();
    drop(transport);
    let mut books = world.books();
    books.check_end(&limiter, alive);
    let (hash, events) = books.trace_hash();
    Report {
        hash,
        events,
        violations: std::mem::take(&mut books.violations),
    }
}

/// Serves in a task of its own.
fn serve(world: &Arc<World>, transport: &Arc<Transport>) {
    let dialer = transport.dialer();
    let also = Arc::clone(world);
    let serving = Arc::clone(transport).serve_owned(move |conn| {
        let (world, dialer) = (Arc::clone(&also), dialer.clone());
        handler::handle(world, dialer, conn)
    });
    world.spawn(async move {
        let _ = serving.await;
    });
}

/// Checks every step until all peers and actions have ended.
async fn check_steps(world: &World, transport: &Transport) {
    let last_op = world.script.ops.last().map_or(0, |(at, _)| *at);
    loop {
        sleep(STEP).await;
        let mut books = world.books();
        books.check_step(transport.limiter());
        let now = books.ms();
        if now > LAST || now > last_op && books.all_ended() {
            return;
        }
    }
}
