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
        silent_peer_ends_as_idle
        unpolled_connection_ends_as_idle
        owed_bytes_time_out
        waiting_read_gets_deadline_for_owed_bytes
        received_bytes_clear_deadline
        busy_connection_reaches_lifetime
        connection_cap_refuses_and_readmits
        peer_cap_refuses
        permit_returned_after_panic
        draining_refuses
        denied_address_is_refused
        admission_hook_refuses
        overload_refuses
        idle_connection_is_evicted
        busy_connection_is_not_evicted
        peer_at_its_cap_evicts_nothing
        waiting_read_cancelled_at_once
        transfer_cancelled_at_once
        framed_connection_cancelled_with_tasks
        bytes_are_counted_exactly
        bytes_are_counted_exactly_after_an_error
        dialed_connections_are_counted
        frames_arrive_whole
        frames_arrive_in_chunks
        frames_sent_unchanged
        oversize_frame_refused_unread
        trickled_frame_times_out
        trickled_header_times_out
        eof_within_frame_is_truncated
        one_frame_always_fits
        oversize_send_refused
        connection_rate_holds
        peer_rate_holds
        ingress_rate_holds
        egress_rate_holds
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
