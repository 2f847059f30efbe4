//! The contract of a backend: its duties, and the guard's promises.
//!
//! For authors of backends. A backend implements [`Listener`](crate::Listener),
//! [`Pending`](crate::Pending), [`Dialer`](crate::Dialer) and [`Io`](crate::Io) on raw types, and a
//! guard (`transport_limits::Guard`) calls them. Each rule below has the cases of the conformance
//! suite (`transport-testkit`) that check it, or "not checked" with the reason. A failed case of the
//! contract names its rule.
//!
//! # The backend
//!
//! ## Listener
//!
//! | rule | duty | checked by |
//! |---|---|---|
//! | accept-early | `accept` yields a connection once the peer has connected. It runs no handshake and waits for no byte of a peer. | `accept_waits_for_no_handshake`, `stalled_handshake_delays_no_other` |
//! | accept-cancel | Dropping the future of `accept` loses no connection: the next call yields it. | `cancelled_accept_loses_no_connection` |
//! | accept-error | `accept` fails with `TransportError::Io`, and the next call accepts again. An error that concerns one connection has consumed that connection. A listener that can accept no more fails each call or never resolves. | not checked: a harness cannot cause such an error |
//! | listener-drop | Dropping the listener refuses further clients. Connections that it yielded continue. | `dropped_listener_serves_no_client` |
//! | share | `share` returns a listener on the same socket: each connection is yielded once, by one of them, and the drop of one leaves the other accepting. | `dropped_share_leaves_the_listener` |
//! | label | `backend` of listener and dialer, and `ConnInfo::backend`, are equal and never change. | `labels_are_equal` |
//!
//! ## Pending
//!
//! | rule | duty | checked by |
//! |---|---|---|
//! | pending-drop | Dropping it refuses the peer: its dial fails or its stream ends, and it reads no byte. | `dropped_pending_refuses_the_peer`, `connection_cap_refuses_and_readmits` |
//! | establish-drop | Dropping the future of `establish` refuses the peer too, at any point of the handshake. | `dropped_handshake_refuses_the_peer`, `stalled_handshake_times_out` |
//! | establish-instant | With `HANDSHAKE = false` and without a hop to identify, the first poll of `establish` is ready. | `instant_handshake_needs_one_poll` |
//! | establish-failure | After a failed handshake, the backend closes its stream itself, within 100 ms. A peer that leaves before its first byte is `Closed`, or `Io` with a reset. | not checked: a harness cannot fail a handshake of every kind |
//! | identify | With `hop_timeout`, `identify` reads the header of the hop and no byte after it; `peer` then is the announced address. `establish` calls it unless the guard has. | not checked here: `transport-proxy/tests/proxy` |
//! | peer | `peer`, after `identify`, equals `ConnInfo::peer`, and it is equal for all connections of a peer but for the port. | `peers_are_stable`, `peer_cap_refuses` |
//! | refused | `refused` does not wait, and its answer does not change. | not checked: most backends refuse no peer |
//!
//! ## Dialer
//!
//! | rule | duty | checked by |
//! |---|---|---|
//! | dial-concurrent | Dials run at the same time and delay each other by no handshake. | `cancelled_accept_loses_no_connection` |
//! | dial-drop | Dropping the future of `dial` closes its sockets: a listener that has accepted one reads its end. | `dropped_dial_ends_the_connection` |
//! | dial-private | With `PRIVATE = true`, no log and no error text names the target. | not checked: the texts are the backend's own |
//!
//! ## Io
//!
//! | rule | duty | checked by |
//! |---|---|---|
//! | bytes | Bytes arrive unchanged, in order and once. | `bytes_are_counted_exactly`, `echo_returns_all_bytes` |
//! | shutdown | `poll_shutdown` sends all written bytes, then an end of stream. | `shutdown_delivers_written_bytes`, `orderly_end_visible` |
//! | half-close | `poll_shutdown` ends our direction only: reads continue. | `we_half_close_first`, `peer_half_closes_first` |
//! | abort | After `abort` and drop the peer reads an error, never an end of stream, also with unsent data. The error kind is a reset, or for TLS an unexpected end. `abort` does not wait. | `aborted_stream_is_no_end_of_stream`, `abort_visible`, `relay_reset_aborts_other_leg` |
//! | abort-unknown | A backend without such a signal says so in its documentation and sets `Harness::SIGNALS_ABORT` to `false`; its peer reads an end of stream. | `aborted_stream_is_no_end_of_stream` |
//! | drop | A stream that is dropped without either of them ends for the peer, as an end of stream or as an error. | `dropped_stream_ends_for_its_peer` |
//! | gone | Writes to a peer that has dropped its stream fail after a while; they neither succeed nor wait indefinitely. | `write_to_gone_peer_fails` |
//! | reset | `wait_reset` resolves after a reset only. A peer's end of stream is none. | `end_of_stream_is_no_reset` |
//! | discard | `poll_discard` reads past the end of a session above the socket, so that no unread byte causes a reset. | `last_reply_survives_linger` |
//! | taken | `taken` never decreases, and grows by the bytes that the peer has received. | `write_floor_held`, `peer_without_reads_times_out` |
//! | vectored | A vectored write stays one write where the stream supports it. | `vectored_writes_are_preserved` |
//! | final | A read or write that failed is final. | not checked: the guard makes no further call |
//!
//! # The guard
//!
//! | rule | promise | checked by |
//! |---|---|---|
//! | deadlines | The guard drops the future of `dial` at `dial_timeout`, that of `identify` at `hop_timeout`, and that of `establish` at `handshake_timeout`; it aborts a stream at its read and write deadlines. A backend has no deadline and no limit of its own. | `endless_dial_times_out`, `stalled_handshake_times_out`, `peer_without_reads_times_out` |
//! | backoff | After an error of `accept` that concerns one connection (`ECONNABORTED`, `ECONNRESET`, `EINTR`, `ETIMEDOUT`, and what accept(2) lists for Linux), the guard accepts at once. After any other it waits 10 ms, twice as long each time, at most 500 ms; it logs the first, and the recovery after 5 s without one. | not checked here: `transport-limits/tests/guarded/accept.rs` |
//! | in-order | An end in order calls `poll_shutdown`, then `poll_discard` until the peer's end, for 2 s or 1 MiB at most, then drops the stream. | `last_reply_survives_linger`, `drain_closes_idle` |
//! | aborted | An end by abort calls `abort` once and drops the stream, without another poll. A leg of a relay whose other side failed first sends its written bytes (`poll_flush`, `has_sent_all`), for 2 s at most. | `abort_visible`, `relay_reset_aborts_other_leg` |
//! | once | Each stream ends once, by one of the two, also if the embedder never polls it. | `held_stream_closed`, `unpolled_connection_ends_as_idle` |
//! | place | The place of a connection is free after the stream was dropped, not before. | `permit_returned_on_every_path` |
//! | listener-end | The transport drops the listener when accepting ends, after it has served the connections that `accept` yields within 1 ms each. | not checked here: `ron-transport/tests/custom.rs` |
