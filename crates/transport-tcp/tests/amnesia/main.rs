//! Amnesia seen from outside: no payload stays in memory.
//!
//! A child serves and this process is its peer, so only the library puts the payload into the
//! child's memory. Without amnesia the same search finds the payload, which proves the search.

#![cfg(target_os = "linux")]
// A test may fail, and its tasks need no tracking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod child;
mod memory;
mod parent;

use child::Mode;
use parent::{header, payload, Served};

/// The largest frame, larger than all buffers on the way.
const FRAME: usize = 1 << 20;

/// Runs a case without amnesia and with it.
fn both(mode: Mode, case: impl Fn(&mut Served)) {
    let mut without = Served::start(mode, false);
    case(&mut without);
    assert!(
        without.holds_payload(),
        "{mode:?}: the search finds nothing"
    );
    let mut with = Served::start(mode, true);
    case(&mut with);
    assert!(!with.holds_payload(), "{mode:?}: payload is left behind");
}

/// Frames in both directions, down to the smallest, then idle.
fn frames(served: &mut Served) {
    let mut peer = served.connect();
    for len in [FRAME, 100_000, 64, FRAME - 1] {
        peer.send_frame(&payload(served.needle, len));
        peer.receive_frames(len);
    }
    served.settle(1);
    if served.amnesia {
        assert!(!served.holds_payload(), "an idle connection holds payload");
    }
    drop(peer);
    served.settle(0);
}

/// A peer that sends, does not read, and disappears inside a frame.
fn cut_frames(served: &mut Served) {
    let mut peer = served.connect();
    let mut frame = header(FRAME).to_vec();
    frame.extend(payload(served.needle, FRAME));
    peer.send_until_stuck(&frame);
    drop(peer);
    served.settle(0);
    let mut peer = served.connect();
    peer.send(&frame[..FRAME / 2]);
    // The child's socket has received it: EOF inside the frame.
    peer.half_close();
    peer.receive_end();
    drop(peer);
    served.settle(0);
}

/// Bytes in both directions, also with a slow reader.
fn bytes(served: &mut Served, connections: u8) {
    let mut peer = served.connect();
    for len in [64, FRAME] {
        let sent = peer.send_until_stuck(&payload(served.needle, len));
        peer.receive(sent);
        let stuck = peer.send_until_stuck(&payload(served.needle, 64 * FRAME));
        assert!(stuck < 64 * FRAME, "socket buffers hold 64 MiB");
        peer.receive(stuck);
    }
    served.settle(connections);
    if served.amnesia {
        assert!(!served.holds_payload(), "an idle connection holds payload");
    }
    drop(peer);
    served.settle(0);
}

/// A peer that disappears while its bytes cannot be forwarded.
fn cut_bytes(served: &mut Served) {
    let mut peer = served.connect();
    peer.send_until_stuck(&payload(served.needle, 64 * FRAME));
    drop(peer);
    served.settle(0);
}

#[test]
fn whole_frames() {
    both(Mode::Whole, frames);
}

#[test]
fn chunks() {
    both(Mode::Chunks, frames);
}

#[test]
fn whole_frames_that_are_cut() {
    both(Mode::Whole, cut_frames);
}

#[test]
fn chunks_that_are_cut() {
    both(Mode::Chunks, cut_frames);
}

#[test]
fn echo_leaves_nothing() {
    both(Mode::Echo, |served| bytes(served, 1));
}

#[test]
fn cut_echo_leaves_nothing() {
    both(Mode::Echo, cut_bytes);
}

#[test]
fn relay_leaves_nothing() {
    both(Mode::Relay, |served| bytes(served, 2));
}

#[test]
fn cut_relay_leaves_nothing() {
    both(Mode::Relay, cut_bytes);
}

/// The searched process.
#[test]
#[ignore = "started by the other tests as a separate process"]
fn serve_as_child() {
    if let Ok(job) = std::env::var(child::JOB) {
        child::serve(&job);
    }
}
