//! The conformance suite: the promises of the guard, on every backend.
//!
//! A backend's test file is one [`conformance!`](crate::conformance!) line. Every case runs on
//! the current-thread and on the multi-thread runtime. Time is paused only for the in-memory
//! backend on the current-thread runtime. Elsewhere deadlines are real: the lower bound is exact,
//! the upper bound is ten times the deadline, and no case asserts a speed.

mod admission;
mod bytes;
mod cancel;
mod contract;
mod deadlines;
mod ends;
mod entry;
mod floor;
mod frames;
mod inbox;
mod memory;
mod rates;
mod raw_rig;
mod relay;
mod rig;
mod waits;

pub use admission::*;
pub use bytes::*;
pub use cancel::*;
pub use contract::*;
pub use deadlines::*;
pub use ends::*;
pub use entry::*;
pub use floor::*;
pub use frames::*;
pub use inbox::*;
pub use memory::*;
pub use rates::*;
pub use relay::*;

/// Runs the conformance suite on a harness.
///
/// `conformance!(TcpHarness)` runs in real time; `conformance!(MemoryHarness, paused)` pauses the
/// clock on the current-thread runtime.
#[macro_export]
macro_rules! conformance {
    ($harness:expr) => {
        $crate::conformance!(@on current_thread, $harness, flavor = "current_thread");
        $crate::conformance!(@on multi_thread, $harness, flavor = "multi_thread", worker_threads = 2);
    };
    ($harness:expr, paused) => {
        $crate::conformance!(@on current_thread, $harness, flavor = "current_thread", start_paused = true);
        $crate::conformance!(@on multi_thread, $harness, flavor = "multi_thread", worker_threads = 2);
    };
    (@on $runtime:ident, $harness:expr, $($flavour:tt)*) => {
        mod $runtime {
            use super::*;
            $crate::conformance! { @cases $harness, [$($flavour)*],
                silent_peer_ends_as_idle
                unpolled_connection_ends_as_idle
                stalled_handshake_times_out
                stalled_handshake_delays_no_other
                endless_dial_times_out
                owed_bytes_time_out
                waiting_read_gets_deadline_for_owed_bytes
                received_bytes_clear_deadline
                peer_without_reads_times_out
                write_floor_held
                busy_connection_reaches_lifetime
                connection_cap_refuses_and_readmits
                pending_cap_refuses
                pending_share_of_a_peer_holds
                peer_cap_refuses
                accept_rate_holds
                accept_rate_of_peer_holds
                permit_returned_on_every_path
                permit_returned_after_panic
                draining_refuses
                denied_address_is_refused
                admission_hook_refuses
                overload_refuses
                idle_connection_is_evicted
                busy_connection_is_not_evicted
                peer_at_its_cap_evicts_nothing
                waiting_read_cancelled_at_once
                blocked_write_cancelled_at_once
                transfer_cancelled_at_once
                framed_connection_cancelled_with_tasks
                bytes_are_counted_exactly
                bytes_are_counted_exactly_after_an_error
                dialed_connections_are_counted
                vectored_writes_are_preserved
                peer_half_closes_first
                we_half_close_first
                frames_arrive_whole
                frames_arrive_in_chunks
                frames_sent_unchanged
                oversize_frame_refused_unread
                trickled_frame_times_out
                trickled_header_times_out
                eof_within_frame_is_truncated
                large_frames_pass_at_full_speed
                full_inbox_is_busy_without_loss
                inbox_bounded_by_bytes
                one_frame_always_fits
                oversize_send_refused
                dropped_senders_close_the_write_half
                memory_share_of_peer
                connection_rate_holds
                peer_rate_holds
                ingress_rate_holds
                egress_rate_holds
                relay_passes_half_close_and_late_reply
                relay_counts_bytes_of_every_end
                relay_ends_with_dead_side
                half_closed_relay_ends_as_idle
                echo_returns_all_bytes
                orderly_end_visible
                abort_visible
                last_reply_survives_linger
                drain_keeps_owed_answer
                drain_closes_idle
                half_close_timeout_ends
                held_stream_closed
                relay_answer_survives_refused_upload
                relay_reset_aborts_other_leg
                relay_legs_idle_together
                accept_waits_for_no_handshake
                cancelled_accept_loses_no_connection
                dropped_listener_serves_no_client
                dropped_share_leaves_the_listener
                labels_are_equal
                dropped_pending_refuses_the_peer
                dropped_handshake_refuses_the_peer
                instant_handshake_needs_one_poll
                peers_are_stable
                dropped_dial_ends_the_connection
                shutdown_delivers_written_bytes
                aborted_stream_is_no_end_of_stream
                dropped_stream_ends_for_its_peer
                write_to_gone_peer_fails
                end_of_stream_is_no_reset
            }
        }
    };
    (@cases $harness:expr, $flavour:tt, $($case:ident)*) => {
        $($crate::conformance! { @case $harness, $flavour, $case })*
    };
    (@case $harness:expr, [$($flavour:tt)*], $case:ident) => {
        #[tokio::test($($flavour)*)]
        async fn $case() {
            $crate::conformance::$case(&$harness).await;
        }
    };
}
