//! The conformance suite over a real onion circuit.
//!
//! Omitted cases: half-closes, and relays and echoes that need them (Tor has none); a blocked write
//! (a circuit buffers kilobytes before a silent peer blocks it); a refused circuit (its client
//! receives no answer and waits); vectored writes (Arti gathers them into cells); a stalled
//! handshake and a dial that never completes (an onion service cannot produce them); and cases with
//! ten simultaneous connections of different peers.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Builder;
use transport_arti::raw::{ArtiDialer, ArtiListener};
use transport_arti::transport_core::{Connection, Listener, Pending};
use transport_arti::{ArtiNet, IsolationToken};
use transport_testkit::conformance as case;
use transport_testkit::{Harness, Opened};

use crate::rig::{config, pair, reach, serving, shared, skip, target, LONG};

/// Keeps the service and the client alive during a case.
#[derive(Default)]
struct OnionHarness(Mutex<Vec<ArtiNet>>);

impl Harness for OnionHarness {
    /// True only for a stream alone on its circuit.
    const SIGNALS_ABORT: bool = false;

    type Listener = ArtiListener;
    type Dialer = ArtiDialer;

    async fn open(&self) -> Opened<ArtiListener, ArtiDialer> {
        let tor = shared().await;
        let (service, client) = pair(&serving(tor, 80), &config(tor)).await;
        let mut listener = service.listener().unwrap();
        let target = target(&service, 80);
        // One token, so that all connections use one circuit and count as one peer.
        let dialer = client.dialer().isolated_by(IsolationToken::unique());
        // Dialed before the case starts, so that its timing excludes the publication.
        let other = client.dialer().isolated_by(IsolationToken::unique());
        let accepted = async {
            let pending = listener.accept().await.unwrap();
            pending.establish().await.map(|Connection { io, .. }| io)
        };
        let (there, ours) = tokio::join!(reach(&other, &target), accepted);
        drop((there, ours));
        self.0.lock().unwrap().extend([service, client]);
        Opened {
            listener,
            dialer,
            target,
        }
    }
}

type Case<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! cases {
    ($harness:expr, $($name:ident)*) => {
        vec![$((stringify!($name), Box::pin(case::$name($harness)) as Case<'_>)),*]
    };
}

fn run(runtime: &tokio::runtime::Runtime) {
    let harness = OnionHarness::default();
    let cases = cases!(&harness,
        a_silent_peer_is_ended_as_idle
        a_connection_that_nobody_polls_is_ended_as_idle
        owed_bytes_must_come
        a_read_that_waits_learns_that_bytes_are_owed
        paid_bytes_are_no_longer_owed
        a_busy_connection_reaches_its_lifetime
        the_connection_cap_holds_and_serves_again
        the_peer_cap_holds
        a_panic_gives_the_permit_back
        draining_refuses
        denied_address_is_refused
        admission_hook_refuses
        overload_refuses
        idle_connection_is_evicted
        busy_connection_is_not_evicted
        peer_at_its_cap_evicts_nothing
        a_waiting_read_is_cancelled_at_once
        a_flowing_transfer_is_cancelled_at_once
        a_framed_connection_is_cancelled_with_its_tasks
        bytes_are_counted_exactly
        bytes_are_counted_exactly_after_an_error
        dialed_connections_are_counted
        frames_arrive_whole
        frames_arrive_in_chunks
        frames_go_out_as_they_are
        a_frame_over_the_ceiling_is_refused_unread
        a_trickled_frame_times_out
        a_trickled_header_times_out
        a_stream_that_ends_in_a_frame_is_truncated
        one_frame_always_fits
        a_frame_too_large_to_send_is_refused
        a_connection_keeps_its_rate
        a_peer_keeps_its_rate
        ingress_keeps_its_rate
        egress_keeps_its_rate
        orderly_end_visible
        abort_visible
        drain_keeps_owed_answer
        drain_closes_idle
        memory_share_of_peer
    );
    let mut failed = Vec::new();
    for (name, case) in cases {
        let case = async { tokio::time::timeout(LONG, case).await };
        let case = AssertUnwindSafe(case).catch_unwind();
        let began = std::time::Instant::now();
        let passed = matches!(runtime.block_on(case), Ok(Ok(())));
        println!(
            "{name}: {} in {:?}",
            if passed { "ok" } else { "FAILED" },
            began.elapsed()
        );
        if !passed {
            failed.push(name);
        }
        let nets = std::mem::take(&mut *harness.0.lock().unwrap());
        for net in nets {
            assert!(runtime.block_on(net.shutdown(Duration::from_secs(5))));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn current_thread_runtime_conforms() {
    if !skip("current_thread_runtime_conforms") {
        run(&Builder::new_current_thread().enable_all().build().unwrap());
    }
}

#[test]
fn multi_thread_runtime_conforms() {
    if !skip("multi_thread_runtime_conforms") {
        run(&Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap());
    }
}
