//! The script of a run, which a seed generates.

mod cut;
mod generate;
mod print;

pub use cut::Cut;

/// Everything that happens in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Seeds the network's own random numbers.
    pub seed: u64,
    /// The limits at the start.
    pub limits: LimitPlan,
    /// Connections that may wait for an accept.
    pub backlog: usize,
    /// Whether streams report the bytes that their peer has read.
    pub reports_taken: bool,
    /// The peers.
    pub peers: Vec<PeerPlan>,
    /// The operator's actions, each with its time in milliseconds.
    pub ops: Vec<(u64, Op)>,
    /// Deadline of the final shutdown in milliseconds.
    pub drain_ms: u64,
}

/// Limits of the transport, in milliseconds and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitPlan {
    /// `max_conns`.
    pub max_conns: u64,
    /// `overflow = "evict"`.
    pub evict: bool,
    /// `evict_after`.
    pub evict_after_ms: u64,
    /// `read_timeout`.
    pub read_ms: u64,
    /// `write_timeout`.
    pub write_ms: u64,
    /// `idle_timeout`; 0 is off.
    pub idle_ms: u64,
    /// `half_close_timeout`.
    pub half_close_ms: u64,
    /// `handshake_timeout`.
    pub handshake_ms: u64,
    /// `dial_timeout`.
    pub dial_ms: u64,
    /// `max_lifetime`; 0 is off.
    pub lifetime_ms: u64,
    /// `limits.chunk_bytes`.
    pub chunk: u64,
    /// `limits.max_frame_bytes`.
    pub max_frame: u64,
    /// `limits.writer_inbox`.
    pub inbox: u64,
    /// `limits.memory_bytes`.
    pub memory: u64,
    /// `limits.max_pending_handshakes`.
    pub max_pending: u64,
    /// `rates.per_conn_bytes_per_sec`; 0 is off.
    pub per_conn: u64,
    /// `rates.per_peer_bytes_per_sec`; 0 is off.
    pub per_peer: u64,
    /// `rates.global_ingress_bytes_per_sec`; 0 is off.
    pub ingress: u64,
    /// `rates.global_egress_bytes_per_sec`; 0 is off.
    pub egress: u64,
    /// `rates.accepts_per_sec`; 0 is off.
    pub accepts: u64,
    /// `per_peer.accepts_per_sec`; 0 is off.
    pub peer_accepts: u64,
    /// `per_peer.max_conns`; 0 is off.
    pub peer_conns: u64,
    /// `per_peer.pending_handshakes`; 0 is automatic.
    pub peer_pending: u64,
    /// Last byte of the denied address; 0 is none.
    pub deny: u8,
    /// `per_peer.ipv4_prefix`.
    pub prefix: u64,
}

/// One peer, which opens one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerPlan {
    /// When it connects, in milliseconds.
    pub at: u64,
    /// Last byte of its address; peers of one address share limits.
    pub ip: u8,
    /// The network between it and the transport.
    pub wire: Wire,
    /// The handshake.
    pub hand: Hand,
    /// The handler of its connection.
    pub mode: Mode,
    /// Its actions, in order.
    pub steps: Vec<Step>,
}

/// The network below one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Delay of each byte in milliseconds.
    pub delay_ms: u64,
    /// Further delay, drawn for each write.
    pub jitter_ms: u64,
    /// Bytes that each direction holds.
    pub cap: usize,
    /// Most bytes of one read or write; 0 is unlimited. The size of each is drawn.
    pub piece: usize,
    /// Percent of wake-ups that are late; half as many are spurious.
    pub late: u64,
}

/// The course of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Ends at once.
    Instant,
    /// Ends after milliseconds.
    Takes(u64),
    /// Never ends.
    Never,
    /// Fails after milliseconds.
    Fails(u64),
    /// The peer leaves after milliseconds, before its first byte.
    Leaves(u64),
}

/// The handler of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Returns each byte.
    Echo,
    /// Answers each request after a time.
    Serve {
        /// The time in milliseconds.
        think_ms: u64,
    },
    /// As `Serve`, announced as busy.
    Busy {
        /// The time in milliseconds.
        think_ms: u64,
    },
    /// As `Serve`, in frames.
    Framed {
        /// The time in milliseconds.
        think_ms: u64,
    },
    /// Relays to an upstream.
    Relay(Upstream),
    /// Panics after it has read bytes.
    Panic {
        /// Their number.
        after: usize,
    },
    /// Holds the stream and never polls it.
    Hold,
    /// As `Serve`, in a task that outlives the handler.
    Detached {
        /// The time in milliseconds.
        think_ms: u64,
    },
}

/// The upstream of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// Answers each request after milliseconds.
    Serves {
        /// The time in milliseconds.
        think_ms: u64,
        /// Duration of the dial in milliseconds.
        dial_ms: u64,
    },
    /// Answers early and accepts no further byte.
    Early {
        /// Bytes that it reads.
        after: usize,
    },
    /// Resets in the middle of its first answer.
    Cuts {
        /// Bytes that it sends.
        after: usize,
    },
    /// The dial fails after milliseconds.
    Refuses(u64),
    /// The dial never ends.
    Silent,
}

/// One action of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Sends a request and reads the whole answer meanwhile.
    Ask {
        /// Bytes of the request's body.
        body: usize,
        /// Bytes of the answer.
        resp: usize,
    },
    /// As `Ask`, and reads at a pace.
    AskSlow {
        /// Bytes of the answer.
        resp: usize,
        /// Bytes read at a time.
        piece: usize,
        /// Milliseconds between two reads.
        every_ms: u64,
    },
    /// Sends a request without reading the answer.
    Send {
        /// Bytes of the request's body.
        body: usize,
        /// Bytes of the answer.
        resp: usize,
    },
    /// Sends a part of a request.
    Partial {
        /// Bytes that are announced.
        body: usize,
        /// Bytes that are sent.
        sent: usize,
    },
    /// Waits for milliseconds.
    Sleep(u64),
    /// Stops the network in both directions for milliseconds.
    Stall(u64),
    /// Ends its direction.
    Fin,
    /// Resets the connection.
    Reset,
    /// Reads until the end of stream.
    End,
}

/// One action of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Applies other limits.
    Reload(LimitPlan),
    /// Aborts the connection of a peer.
    Cancel(usize),
    /// Refuses new connections as overload, or accepts them again.
    Overload(bool),
    /// Lets accepts fail for lack of descriptors.
    Exhaust(u32),
    /// Lets connections fail between their arrival and their accept.
    AbortAccepts(u32),
    /// Moves the clock by milliseconds, as after a stop of the process.
    Jump(u64),
    /// Stops accepting.
    StopAccepting,
    /// Shuts down within milliseconds.
    Shutdown(u64),
}

impl Wire {
    /// Returns whether it carries more than the promised floor of writes.
    #[must_use]
    pub fn carries(&self, limits: &LimitPlan) -> bool {
        let trip = self.delay_ms + self.jitter_ms + 8;
        let floor = 4 * limits.chunk * 1000 / limits.write_ms;
        self.cap as u64 * 1000 / trip >= floor
    }
}

impl PeerPlan {
    /// Returns whether the peer follows the protocol and keeps to every deadline.
    ///
    /// Every request of such a peer must be answered.
    #[must_use]
    pub fn is_honest(&self, limits: &LimitPlan) -> bool {
        let hand = match self.hand {
            Hand::Instant => true,
            Hand::Takes(ms) => ms + 200 < limits.handshake_ms,
            _ => false,
        };
        let served = match self.mode {
            Mode::Echo | Mode::Busy { .. } => true,
            Mode::Serve { think_ms } | Mode::Framed { think_ms } | Mode::Detached { think_ms } => {
                limits.idle_ms == 0 || think_ms + 500 < limits.idle_ms
            }
            Mode::Relay(Upstream::Serves { think_ms, dial_ms }) => {
                dial_ms + 200 < limits.dial_ms
                    && (limits.idle_ms == 0 || think_ms.max(dial_ms) + 500 < limits.idle_ms)
            }
            Mode::Relay(Upstream::Early { .. }) => {
                let asks = self.steps.iter().filter(|s| matches!(s, Step::Ask { .. }));
                asks.count() == 1
            }
            _ => false,
        };
        let shortest = limits.read_ms.min(limits.write_ms);
        let steps = self.steps.iter().all(|step| match *step {
            Step::Ask { .. } | Step::Fin | Step::End => true,
            Step::Sleep(ms) => limits.idle_ms == 0 || ms + 500 < limits.idle_ms,
            Step::Stall(ms) => ms * 3 < shortest,
            // Twice the promised floor.
            Step::AskSlow {
                piece, every_ms, ..
            } => {
                piece as u64 * limits.write_ms >= 2 * limits.chunk * every_ms
                    && piece as u64 * 4 <= limits.chunk
            }
            _ => false,
        });
        let stalls = self.steps.iter().filter(|s| matches!(s, Step::Stall(_)));
        let ends = matches!(self.steps.as_slice(), [.., Step::Fin, Step::End]);
        let carried = self.wire.carries(limits);
        hand && served && carried && steps && ends && stalls.count() < 2
    }
}
