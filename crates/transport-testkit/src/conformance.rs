//! The suite that every backend passes: what the guard promises, whatever carries the bytes.
//!
//! A backend's test file is one [`conformance!`](crate::conformance!) line. Every case runs on
//! the current-thread and on the multi-thread runtime. Time is paused for the in-memory backend
//! on the current-thread runtime alone; elsewhere deadlines are real: the lower bound is exact,
//! the upper one is ten times the deadline, and no case asserts a speed.

mod admission;
mod bytes;
mod cancel;
mod deadlines;
mod ends;
mod entry;
mod floor;
mod frames;
mod inbox;
mod memory;
mod rates;
mod relay;
mod rig;
mod waits;

pub use admission::*;
pub use bytes::*;
pub use cancel::*;
pub use deadlines::*;
pub use ends::*;
pub use entry::*;
pub use floor::*;
pub use frames::*;
pub use inbox::*;
pub use memory::*;
pub use rates::*;
pub use relay::*;

/// Runs the conformance suite on a harness: `conformance!(TcpHarness)`, or
/// `conformance!(MemoryHarness, paused)` where the clock may be paused.
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
                a_silent_peer_is_ended_as_idle
                a_connection_that_nobody_polls_is_ended_as_idle
                a_stalled_handshake_is_ended
                a_stalled_handshake_delays_nobody
                a_dial_that_never_ends_is_ended
                owed_bytes_must_come
                a_read_that_waits_learns_that_bytes_are_owed
                paid_bytes_are_no_longer_owed
                a_peer_that_does_not_read_is_ended
                write_floor_held
                a_busy_connection_reaches_its_lifetime
                the_connection_cap_holds_and_serves_again
                the_pending_cap_holds
                pending_share_of_a_peer_holds
                the_peer_cap_holds
                the_accept_rate_holds
                the_accept_rate_of_a_peer_holds
                permits_come_back_on_every_path
                a_panic_gives_the_permit_back
                draining_refuses
                denied_address_is_refused
                admission_hook_refuses
                overload_refuses
                idle_connection_is_evicted
                busy_connection_is_not_evicted
                peer_at_its_cap_evicts_nothing
                a_waiting_read_is_cancelled_at_once
                a_blocked_write_is_cancelled_at_once
                a_flowing_transfer_is_cancelled_at_once
                a_framed_connection_is_cancelled_with_its_tasks
                bytes_are_counted_exactly
                bytes_are_counted_exactly_after_an_error
                dialed_connections_are_counted
                vectored_writes_are_preserved
                the_peer_may_close_its_half_first
                we_may_close_our_half_first
                frames_arrive_whole
                frames_arrive_in_chunks
                frames_go_out_as_they_are
                a_frame_over_the_ceiling_is_refused_unread
                a_trickled_frame_times_out
                a_trickled_header_times_out
                a_stream_that_ends_in_a_frame_is_truncated
                large_frames_pass_at_full_speed
                a_full_inbox_is_busy_and_loses_nothing
                the_inbox_is_bounded_by_bytes
                one_frame_always_fits
                a_frame_too_large_to_send_is_refused
                dropped_senders_close_the_write_half
                memory_share_of_peer
                a_connection_keeps_its_rate
                a_peer_keeps_its_rate
                ingress_keeps_its_rate
                egress_keeps_its_rate
                a_relay_passes_half_closes_and_late_replies
                a_relay_counts_whatever_the_end_was
                a_relay_ends_with_a_dead_side
                a_half_closed_relay_ends_as_idle
                an_echo_returns_everything
                orderly_end_visible
                abort_visible
                last_reply_survives_linger
                drain_keeps_owed_answer
                drain_closes_idle
                half_close_timeout_ends
                relay_answer_survives_refused_upload
                relay_reset_aborts_other_leg
                relay_legs_idle_together
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
