//! Clients of a draining gateway, and their results.

use std::io::{self, ErrorKind, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use ron_lab::client::frame;
use serde_json::Value;

use super::{ANSWER_BYTES, FRAME_BYTES};
use crate::case::{ensure, Outcome};
use crate::late::{answer, answer_is, ends_in_order, Conn};

/// A client and its expectation.
pub(super) struct Client {
    pub(super) conn: Conn,
    pub(super) waits_for: Owed,
}

/// The answer that a client expects.
pub(super) enum Owed {
    /// The end of the connection only.
    Nothing,
    /// The answer of the upstream.
    Answer,
    /// The echo of a frame whose second half is sent later.
    Frame(Duration),
}

/// The result of one client.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// The whole answer, then an end in order.
    Whole,
    /// An end in order after this time, without an answer.
    Idle(Duration),
    /// A reset.
    Cut,
}

impl Client {
    /// Waits for the answer and the end.
    ///
    /// Any end but an orderly one or a reset is an error.
    pub(super) fn wait(mut self, since: Instant) -> Result<End, String> {
        match self.gets() {
            Ok(()) if matches!(self.waits_for, Owed::Nothing) => Ok(End::Idle(since.elapsed())),
            Ok(()) => Ok(End::Whole),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(End::Cut),
            Err(error) => Err(format!("a client after {:?}: {error}", since.elapsed())),
        }
    }

    fn gets(&mut self) -> io::Result<()> {
        match self.waits_for {
            Owed::Nothing => {}
            Owed::Answer => answer(&mut self.conn, ANSWER_BYTES)?,
            Owed::Frame(delay) => {
                thread::sleep(delay);
                let frame = frame(FRAME_BYTES);
                self.conn.write_all(&frame[FRAME_BYTES / 2..])?;
                answer_is(&mut self.conn, &frame)?;
            }
        }
        ends_in_order(&mut self.conn)
    }
}

/// The results of gateways and clients together.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) open: usize,
    pub(super) finished: usize,
    pub(super) closed_idle: usize,
    pub(super) aborted: usize,
    /// Clients by result.
    pub(super) whole: usize,
    pub(super) idle: usize,
    pub(super) cut: usize,
    pub(super) last_idle: Duration,
}

impl Ends {
    pub(super) fn add(&mut self, end: End) {
        match end {
            End::Whole => self.whole += 1,
            End::Cut => self.cut += 1,
            End::Idle(after) => {
                self.idle += 1;
                self.last_idle = self.last_idle.max(after);
            }
        }
    }

    /// Adds a gateway's report; fails if its numbers do not add up.
    pub(super) fn report(&mut self, report: &Value) -> Outcome {
        let of = |name: &str| report[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let report_numbers = of("open")
            .zip(of("finished"))
            .zip(of("closed_idle").zip(of("aborted")));
        let ((open, finished), (closed_idle, aborted)) =
            report_numbers.ok_or_else(|| format!("numbers missing: {report}"))?;
        ensure(finished + closed_idle + aborted == open, || {
            format!("the numbers do not add up: {report}")
        })?;
        self.open += open;
        self.finished += finished;
        self.closed_idle += closed_idle;
        self.aborted += aborted;
        Ok(())
    }
}
