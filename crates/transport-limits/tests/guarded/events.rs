//! Log events and their sampling.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{set_default, DefaultGuard};
use tracing::{Event, Metadata, Subscriber};
use transport_core::{Dialer, PeerAddr, Reason};

use crate::harness::{anywhere, Rig};

/// Records every event of this thread as a line of `name=value` pairs.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Records until the guard is dropped.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        (log.clone(), set_default(log))
    }

    pub(crate) fn lines(&self, with: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter(|line| line.contains(with))
            .cloned()
            .collect()
    }

    pub(crate) fn count(&self, with: &str) -> usize {
        self.lines(with).len()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, "{}={value} ", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ron_transport")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Returns a number in a line.
fn number(line: &str, name: &str) -> u64 {
    let at = line.find(&format!("{name}=")).unwrap() + name.len() + 1;
    line[at..].split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn refusals_counted_exactly_and_sampled() {
    const REFUSED: u64 = 10_000;
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|l| {
        l.set_max_conns(1).unwrap();
    });
    let _open = rig.connect().await;
    let dialer = rig.dialer.clone();
    let flood = async {
        for n in 0..REFUSED {
            dialer.dial(&anywhere()).await.unwrap();
            if n % 1000 == 0 {
                sleep(Duration::from_millis(250)).await;
            }
        }
        rig.recorder
            .wait_for("all refused", |s| s.rejected(Reason::ConnLimit) == REFUSED)
            .await;
    };
    tokio::select! {
        _ = rig.guard.accept() => panic!("over the cap"),
        () = flood => {}
    }
    let lines = log.lines("event=reject");
    assert!(
        (2..=5).contains(&lines.len()),
        "{} lines in three seconds",
        lines.len()
    );
    assert!(
        lines.iter().all(|line| line.contains("reason=conn_limit")),
        "{lines:?}"
    );
    // The next line reports rejects that were not logged; the last ones have no next line.
    let reported = lines
        .iter()
        .map(|line| number(line, "not_logged") + 1)
        .sum::<u64>();
    assert!(
        reported <= REFUSED && reported > REFUSED / 2,
        "{reported} of {REFUSED} reported"
    );
}

/// A reason does not suppress another one.
#[tokio::test(start_paused = true)]
async fn each_reason_sampled_separately() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|l| {
        l.set_max_conns(2).unwrap().set_peer_max_conns(1).unwrap();
    });
    let _first = rig.connect().await;
    let refuse = |rejects| {
        let dialer = rig.dialer.clone();
        let recorder = rig.recorder.clone();
        async move {
            dialer.dial(&anywhere()).await.unwrap();
            recorder
                .wait_for("a refusal", |s| s.all_rejected() == rejects)
                .await;
        }
    };
    let first = refuse(1);
    tokio::select! {
        _ = rig.guard.accept() => panic!("over the peer's cap"),
        () = first => {}
    }
    rig.dialer = rig.dialer.clone().from_peer(PeerAddr::Uid(7));
    let _second = rig.connect().await;
    let dialer = rig.dialer.clone();
    let refused = async {
        dialer.dial(&anywhere()).await.unwrap();
        rig.recorder
            .wait_for("a refusal", |s| s.all_rejected() == 2)
            .await;
    };
    tokio::select! {
        _ = rig.guard.accept() => panic!("over the cap"),
        () = refused => {}
    }
    assert_eq!(
        (
            log.count("reason=peer_limit"),
            log.count("reason=conn_limit")
        ),
        (1, 1)
    );
}

/// The event has byte counts and the peer. The peer of a Tor stream is left out.
#[tokio::test(start_paused = true)]
async fn close_event_describes_connection() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    ours.io.control().set_corr_id("request-7");
    let id = ours.info.id;
    sleep(Duration::from_millis(1500)).await;
    drop(ours);
    let line = &log.lines("event=close")[0];
    for part in [
        "reason=eof",
        "corr_id=request-7",
        "bytes_in=0",
        "peer=127.0.0.1:40000",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(
        (number(line, "conn_id"), number(line, "duration_ms")),
        (id, 1500)
    );

    rig.dialer = rig.dialer.clone().from_peer(PeerAddr::Circuit(77));
    let (ours, _peer) = rig.connect().await;
    drop(ours);
    assert!(
        !log.lines("event=close")[1].contains("peer"),
        "{:?}",
        log.lines("event=close")
    );
}

#[tokio::test(start_paused = true)]
async fn closes_above_100_per_second_sampled() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    let mut open = Vec::new();
    for _ in 0..250 {
        open.push(rig.connect().await);
    }
    drop(open);
    assert_eq!(log.count("event=close"), 100);
    sleep(Duration::from_secs(1)).await;
    drop(rig.connect().await);
    assert_eq!(log.lines("not_logged=").len(), 1);
    assert!(log.lines("not_logged=")[0].contains("not_logged=150"));
    let closes = rig.recorder.closes(transport_core::CloseReason::Eof);
    assert_eq!(closes, 251, "counters are exact");
}
