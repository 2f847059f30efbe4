//! Connections from a hop, which announces their peer.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, Instant};
use transport_core::{
    Backend, Connection, Dialer, Listener, Op, PeerAddr, Pending, Proxied, ProxyVersion, Queue,
    Reason, TransportError,
};
use transport_limits::{Admitted, Guard, GuardedIo, IpPrefixes, Limiter, Limits, Overflow};
use transport_testkit::{Handshake, MemoryDialer, MemoryIo, MemoryListener, Recorder};

use crate::events::Log;
use crate::harness::{anywhere, assert_took, deadlines};

const HOP_TIMEOUT: Duration = Duration::from_secs(3);
const EVICT_AFTER: Duration = Duration::from_secs(10);

/// The announcement of a hop.
#[derive(Debug, Clone, Copy)]
enum Announced {
    Peer(PeerAddr),
    /// No address, as of a health check.
    NoPeer,
    Never,
}

/// A listener whose connections are all from one hop.
struct HopListener {
    raw: MemoryListener,
    announced: Arc<Mutex<VecDeque<Announced>>>,
}

struct HopPending {
    raw: <MemoryListener as Listener>::Pending,
    announced: Announced,
    peer: Option<PeerAddr>,
}

impl Listener for HopListener {
    type Pending = HopPending;

    fn backend(&self) -> Backend {
        self.raw.backend()
    }

    async fn accept(&mut self) -> Result<HopPending, TransportError> {
        let raw = self.raw.accept().await?;
        let announced = self.announced.lock().unwrap().pop_front().unwrap();
        Ok(HopPending {
            raw,
            announced,
            peer: None,
        })
    }
}

impl Pending for HopPending {
    type Io = MemoryIo;

    const HANDSHAKE: bool = false;

    fn peer(&self) -> PeerAddr {
        self.peer.unwrap_or_else(|| self.raw.peer())
    }

    fn hop_timeout(&self) -> Option<Duration> {
        self.peer.is_none().then_some(HOP_TIMEOUT)
    }

    async fn identify(&mut self) -> Result<(), TransportError> {
        match self.announced {
            Announced::Peer(peer) => self.peer = Some(peer),
            Announced::NoPeer => {}
            Announced::Never => pending().await,
        }
        Ok(())
    }

    async fn establish(self) -> Result<Connection<MemoryIo>, TransportError> {
        let mut facts = Proxied::new(ProxyVersion::V2);
        facts.via = Some(self.raw.peer());
        facts.unique_id = Some(b"req-7"[..].into());
        facts.authority = Some("example.org".into());
        let peer = self.peer();
        let mut connection = self.raw.establish().await?;
        let info = Arc::make_mut(&mut connection.info);
        info.peer = Some(peer);
        info.proxied = Some(Arc::new(facts));
        Ok(connection)
    }
}

type Arrival = (Admitted<HopPending>, Connection<MemoryIo>);
type Established = Result<Connection<GuardedIo<MemoryIo>>, TransportError>;

struct HopRig {
    guard: Guard<HopListener>,
    limiter: Limiter,
    recorder: Recorder,
    dialer: MemoryDialer,
    announced: Arc<Mutex<VecDeque<Announced>>>,
}

impl HopRig {
    fn new(tune: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        tune(&mut limits);
        let recorder = Recorder::new();
        let limiter = Limiter::new(&limits, recorder.observer()).unwrap();
        let (raw, dialer) = MemoryListener::bind(Backend::Tcp);
        let announced = Arc::<Mutex<VecDeque<Announced>>>::default();
        let listener = HopListener {
            raw,
            announced: Arc::clone(&announced),
        };
        Self {
            guard: Guard::new(listener, &limiter),
            limiter,
            recorder,
            dialer,
            announced,
        }
    }

    async fn dial(&self, announced: Announced) -> Connection<MemoryIo> {
        self.announced.lock().unwrap().push_back(announced);
        self.dialer.dial(&anywhere()).await.unwrap()
    }

    async fn arrive(&mut self, announced: Announced) -> Arrival {
        let hop = self.dial(announced).await;
        (self.guard.accept().await, hop)
    }

    async fn establish(&mut self, announced: Announced) -> (Established, Connection<MemoryIo>) {
        let (admitted, hop) = self.arrive(announced).await;
        (admitted.establish().await, hop)
    }

    /// Asserts that the next connection is refused before its announcement.
    async fn refused_at_accept(&mut self, reason: Reason) {
        let _hop = self.dial(Announced::Never).await;
        let recorder = self.recorder.clone();
        let before = recorder.rejected(reason);
        tokio::select! {
            _ = self.guard.accept() => panic!("admitted"),
            () = recorder.wait_for("a refusal", |s| s.rejected(reason) == before + 1) => {}
        }
    }

    /// Returns the reason of the refusal after the announcement.
    async fn refused(&mut self, announced: Announced) -> Option<Reason> {
        let (established, _hop) = self.establish(announced).await;
        established.err().and_then(|error| error.reason())
    }

    /// Returns all admitted connections, and the pending ones.
    fn inside(&self) -> (u64, usize) {
        (self.limiter.admitted(), self.limiter.pending())
    }
}

fn peer(last: u8) -> Announced {
    Announced::Peer(PeerAddr::Ip(([192, 0, 2, last], 5000).into()))
}

fn evicting(limits: &mut Limits) {
    limits.set_max_conns(1).unwrap();
    limits.set_overflow(Overflow::Evict);
    limits.set_evict_after(EVICT_AFTER).unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_hop_has_place_until_dropped() {
    let mut rig = HopRig::new(|limits| {
        limits.set_max_conns(1).unwrap();
    });
    let (silent, _hop) = rig.arrive(Announced::Never).await;
    assert!(silent.may_wait(), "it waits for the hop");
    assert_eq!(rig.inside(), (1, 1));
    rig.refused_at_accept(Reason::ConnLimit).await;
    assert_eq!(rig.recorder.queue_dropped(Queue::PendingHandshakes), 0);
    drop(silent);
    assert_eq!(rig.inside(), (0, 0));
    let (established, _hop) = rig.establish(peer(1)).await;
    assert_eq!(rig.inside(), (1, 0));
    let control = established.unwrap().io.control();
    assert_eq!(
        control.snapshot().peer,
        Some(PeerAddr::Ip(([192, 0, 2, 1], 5000).into()))
    );
}

#[tokio::test(start_paused = true)]
async fn pending_cap_counts_silent_hops() {
    let mut rig = HopRig::new(|limits| {
        limits.set_max_pending_handshakes(1).unwrap();
    });
    let (silent, _hop) = rig.arrive(Announced::Never).await;
    for dropped in 1..=3 {
        rig.refused_at_accept(Reason::HandshakeLimit).await;
        assert_eq!(
            rig.recorder.queue_dropped(Queue::PendingHandshakes),
            dropped
        );
        assert_eq!(rig.inside(), (1, 1), "the total place is given back");
    }
    drop(silent);
    let (established, _hop) = rig.establish(peer(1)).await;
    established.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_hop_ends_at_its_timeout() {
    for (handshake, ends) in [
        (2 * HOP_TIMEOUT, HOP_TIMEOUT),
        (HOP_TIMEOUT / 2, HOP_TIMEOUT / 2),
    ] {
        let mut rig = HopRig::new(|limits| deadlines(limits, |d| d.handshake = handshake));
        let (silent, _hop) = rig.arrive(Announced::Never).await;
        let started = Instant::now();
        let error = silent.establish().await.unwrap_err();
        let op = matches!(
            error,
            TransportError::Timeout {
                op: Op::ProxyHeader
            }
        );
        assert!(op, "{error:?}");
        assert_took(started.elapsed(), ends);
        assert_eq!(rig.inside(), (0, 0));
        assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn announced_peer_under_rules_and_caps() {
    let mut rig = HopRig::new(|limits| {
        limits.set_denied_peers(IpPrefixes::parse(&["192.0.2.9"]).unwrap());
        limits.set_peer_max_conns(1).unwrap();
    });
    assert_eq!(rig.refused(peer(9)).await, Some(Reason::Denied));
    let (first, first_hop) = rig.establish(peer(1)).await;
    assert_eq!(rig.refused(peer(1)).await, Some(Reason::PeerLimit));
    assert_eq!(rig.recorder.queue_dropped(Queue::PendingHandshakes), 0);
    assert_eq!(rig.inside(), (1, 0));
    // Its peer has closed, so it closes without lingering.
    drop((first_hop, first));
    let (again, _hop) = rig.establish(peer(1)).await;
    again.unwrap();
}

#[tokio::test(start_paused = true)]
async fn announced_peer_under_its_pending_share() {
    let mut rig = HopRig::new(|limits| {
        limits.set_peer_pending_handshakes(1).unwrap();
    });
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Never);
    let (slow, _slow_hop) = rig.arrive(peer(1)).await;
    let slow = tokio::spawn(slow.establish());
    sleep(Duration::from_millis(10)).await;
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Instant);
    assert_eq!(rig.refused(peer(1)).await, Some(Reason::HandshakeLimit));
    assert_eq!(rig.recorder.queue_dropped(Queue::PendingHandshakes), 1);
    assert_eq!(rig.inside(), (1, 1));
    let (other, _hop) = rig.establish(peer(2)).await;
    other.unwrap();
    slow.abort();
    let _ = slow.await;
    let (same, _hop) = rig.establish(peer(1)).await;
    same.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hop_without_peer_only_under_total_rate() {
    let mut rig = HopRig::new(|limits| {
        limits.set_peer_max_conns(1).unwrap();
        limits.set_accept_rates(2, 1).unwrap();
    });
    let first = rig.establish(Announced::NoPeer).await;
    let second = rig.establish(Announced::NoPeer).await;
    assert!(first.0.is_ok() && second.0.is_ok());
    assert_eq!(rig.limiter.peers_with_at_least(1), 0);
    let refused = rig.refused(Announced::NoPeer).await;
    assert_eq!(refused, Some(Reason::RateLimited));
    assert_eq!(rig.inside(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn announced_peer_replaces_idle_connection() {
    let mut rig = HopRig::new(evicting);
    let (idle, idle_hop) = rig.establish(peer(1)).await;
    let idle = idle.unwrap();
    sleep(EVICT_AFTER).await;
    let (arrived, _hop) = rig.arrive(peer(2)).await;
    assert_eq!(rig.inside(), (2, 1), "the hop has a surplus place");
    assert!(!idle.io.control().is_ended());
    rig.refused_at_accept(Reason::ConnLimit).await;
    let conn = arrived.establish().await.unwrap();
    assert!(idle.io.control().is_ended());
    drop((idle, idle_hop));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.inside(), (1, 0));
    drop(conn);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.inside(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn announced_peer_refused_without_idle_conn() {
    let mut rig = HopRig::new(evicting);
    let (busy, _busy_hop) = rig.establish(peer(1)).await;
    let busy = busy.unwrap();
    let _announced = busy.io.control().busy();
    sleep(2 * EVICT_AFTER).await;
    for _ in 0..3 {
        assert_eq!(rig.refused(peer(2)).await, Some(Reason::ConnLimit));
        assert_eq!(rig.inside(), (1, 0), "the surplus place is given back");
    }
    assert!(!busy.io.control().is_ended());
}

#[tokio::test(start_paused = true)]
async fn surplus_place_returned_at_pending_cap() {
    let mut rig = HopRig::new(|limits| {
        evicting(limits);
        limits.set_max_pending_handshakes(1).unwrap();
    });
    let (silent, _hop) = rig.arrive(Announced::Never).await;
    for _ in 0..3 {
        rig.refused_at_accept(Reason::HandshakeLimit).await;
        assert_eq!(rig.inside(), (1, 1));
    }
    drop(silent);
    assert_eq!(rig.inside(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn announced_facts_are_logged() {
    let (log, _guard) = Log::capture();
    let mut rig = HopRig::new(|_| {});
    let (established, _hop) = rig.establish(peer(1)).await;
    let conn = established.unwrap();
    let id = format!("conn_id={} ", conn.info.id);
    drop(conn);
    let line = |event: &str| {
        let lines = log.lines(event);
        assert_eq!(lines.len(), 1, "{event}: {lines:?}");
        lines[0].clone()
    };
    let accept = line("event=accept");
    assert!(accept.contains("via=127.0.0.1:40000"), "{accept}");
    assert!(!accept.contains("peer="), "it is not known yet: {accept}");
    for (event, more) in [
        ("event=proxy", "authority=example.org"),
        ("event=close", ""),
    ] {
        let line = line(event);
        for part in [
            &id,
            "corr_id=req-7 ",
            "peer=192.0.2.1:5000 ",
            "via=127.0.0.1:40000 ",
            more,
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}
