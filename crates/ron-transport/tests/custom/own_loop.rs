//! Accept loops of the embedder over raw listeners, and several loops.

#[path = "../common/accept_all.rs"]
mod accept_all;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use accept_all::accept_all;
use ron_transport::{
    echo, Backend, CloseReason, Conn, Connection, Limits, Listener, PeerAddr, Pending, Reason,
    Target, Transport, TransportBuilder, TransportError,
};
use tokio::time::timeout;
use transport_core::Dialer;
use transport_testkit::{MemoryListener, MemoryPending, Recorder};

use super::instant::Instant;
use super::{echoed, AMPLE};

transport_testkit::both! {
    listeners_accepted_by_own_loop
    tls_accepted_by_own_loop
    loops_beyond_the_listeners_wait
    announced_peer_has_its_cap
}

const GUEST: PeerAddr = PeerAddr::Other(9);

/// Dials once; the embedder's loop serves the connection until a shutdown.
async fn serves_by_own_loop(builder: TransportBuilder, to: &str) {
    let recorder = Recorder::new();
    let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
    transport.listen().await.unwrap();
    let accepting = accept_all(&transport);
    let mut conn: Conn = transport.dial(to).await.unwrap();
    echoed(&mut conn).await;
    drop(conn);
    recorder
        .wait_for("both ends closed", |s| s.closes(CloseReason::Eof) == 2)
        .await;
    assert_eq!(transport.shutdown(AMPLE).await.aborted, 0);
    let peers = timeout(AMPLE, accepting).await.unwrap().unwrap();
    assert_eq!(peers, [GUEST], "{to}");
}

async fn listeners_accepted_by_own_loop() {
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let builder = Transport::builder().raw_listener("pipe", listener);
    let with_handshake = builder.raw_dialer("pipe", raw.from_peer(GUEST));
    serves_by_own_loop(with_handshake, "pipe://a").await;
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let builder = Transport::builder().raw_listener("pipe", Instant(listener));
    let without = builder.raw_dialer("pipe", raw.from_peer(GUEST));
    serves_by_own_loop(without, "pipe://a").await;
}

#[cfg(feature = "tls")]
async fn tls_accepted_by_own_loop() {
    let pki = super::tls::Pki::new();
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let builder = Transport::builder().raw_listener("pipe", listener);
    let builder = builder.raw_dialer("pipe", raw.from_peer(GUEST));
    serves_by_own_loop(builder.config(pki.config()), "tls+pipe://a").await;
}

#[cfg(not(feature = "tls"))]
async fn tls_accepted_by_own_loop() {}

/// A raw listener that cannot be shared serves one of several loops.
async fn loops_beyond_the_listeners_wait() {
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let builder = Transport::builder().raw_listener("pipe", listener);
    let builder = builder.raw_dialer("pipe", raw.from_peer(GUEST));
    let loops = NonZeroUsize::new(3).unwrap();
    let transport = Arc::new(builder.accept_loops(loops).build().unwrap());
    transport.listen().await.unwrap();
    let serve = || tokio::spawn(Arc::clone(&transport).serve_owned(echo));
    let serving = [serve(), serve()];
    let mut conn = transport.dial("pipe://a").await.unwrap();
    echoed(&mut conn).await;
    // The other loop waits for the end, and the stream of the third one has none.
    assert!(serving.iter().all(|serve| !serve.is_finished()));
    let mut third = transport.incoming().unwrap();
    assert!(third.next().await.is_none());
    drop(conn);
    assert_eq!(transport.shutdown(AMPLE).await.aborted, 0);
    for serve in serving {
        timeout(AMPLE, serve).await.unwrap().unwrap().unwrap();
    }
}

/// A listener behind a balancer, which announces one peer.
struct Behind(MemoryListener);

struct BehindPending {
    inner: MemoryPending,
    announced: Option<PeerAddr>,
}

impl Listener for Behind {
    type Pending = BehindPending;

    fn backend(&self) -> Backend {
        self.0.backend()
    }

    async fn accept(&mut self) -> Result<BehindPending, TransportError> {
        let inner = self.0.accept().await?;
        let announced = None;
        Ok(BehindPending { inner, announced })
    }
}

impl Pending for BehindPending {
    type Io = <MemoryPending as Pending>::Io;

    fn peer(&self) -> PeerAddr {
        self.announced.unwrap_or_else(|| self.inner.peer())
    }

    fn hop_timeout(&self) -> Option<Duration> {
        self.announced.is_none().then_some(AMPLE)
    }

    async fn identify(&mut self) -> Result<(), TransportError> {
        self.announced = Some(PeerAddr::Other(42));
        Ok(())
    }

    async fn establish(self) -> Result<Connection<Self::Io>, TransportError> {
        self.inner.establish().await
    }
}

/// The cap counts by the announced peer, not by the hop.
async fn announced_peer_has_its_cap() {
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let recorder = Recorder::new();
    let limits = Limits::new().with_peer_max_conns(1).unwrap();
    let builder = Transport::builder().limits(limits);
    let builder = builder.raw_listener("pipe", Behind(listener));
    let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
    transport.listen().await.unwrap();
    let _accepting = accept_all(&transport);
    let mut open = Vec::new();
    for hop in 1..=3 {
        let raw = raw.clone().from_peer(PeerAddr::Other(hop));
        open.push(raw.dial(&Target::host("any", 1).unwrap()).await.unwrap());
    }
    recorder
        .wait_for("two refusals", |s| s.rejected(Reason::PeerLimit) == 2)
        .await;
    assert_eq!(transport.limiter().admitted(), 1);
}
