//! The settings that a connection keeps for its lifetime.

use crate::clock::ticks;
use crate::read_buf;
use crate::settings::Limits;

/// The settings of one connection, in ticks and bytes.
#[derive(Debug)]
pub(crate) struct ConnSettings {
    pub(crate) read: u64,
    pub(crate) write: u64,
    /// 0 is off.
    pub(crate) idle: u64,
    /// `idle` of dialed connections; 0 is off.
    pub(crate) dial_idle: u64,
    pub(crate) half_close: u64,
    pub(crate) lifetime: u64,
    pub(crate) handshake: std::time::Duration,
    pub(crate) dial: std::time::Duration,
    pub(crate) chunk: usize,
    pub(crate) max_frame: usize,
    pub(crate) inbox: usize,
    pub(crate) amnesia: bool,
}

impl ConnSettings {
    pub(crate) fn new(limits: &Limits) -> Self {
        let deadlines = limits.deadlines();
        if limits.amnesia() {
            read_buf::wipe_from_now_on();
        }
        Self {
            read: ticks(deadlines.read),
            write: ticks(deadlines.write),
            idle: ticks(deadlines.idle),
            dial_idle: ticks(deadlines.dial_idle.unwrap_or(deadlines.idle)),
            half_close: ticks(deadlines.half_close),
            lifetime: ticks(deadlines.lifetime),
            handshake: deadlines.handshake,
            dial: deadlines.dial,
            chunk: limits.chunk_bytes(),
            max_frame: limits.max_frame_bytes(),
            inbox: limits.writer_inbox(),
            amnesia: limits.amnesia(),
        }
    }
}
