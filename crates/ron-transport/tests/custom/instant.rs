//! Raw listeners without a handshake, and with failures.

use std::io;
use std::sync::Arc;

use ron_transport::{
    Backend, Connection, Limits, Listener, PeerAddr, Pending, Reason, Target, Transport,
    TransportError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::Dialer;
use transport_testkit::{MemoryListener, MemoryPending, Recorder};

use crate::AMPLE;

transport_testkit::both! {
    burst_without_handshake_is_served
}

/// Fails a few times before it accepts.
pub(crate) struct FailsFirst {
    failures: u32,
    inner: MemoryListener,
}

impl FailsFirst {
    pub(crate) const fn new(failures: u32, inner: MemoryListener) -> Self {
        Self { failures, inner }
    }
}

impl Listener for FailsFirst {
    type Pending = MemoryPending;

    fn backend(&self) -> Backend {
        self.inner.backend()
    }

    async fn accept(&mut self) -> Result<MemoryPending, TransportError> {
        if let Some(left) = self.failures.checked_sub(1) {
            self.failures = left;
            return Err(TransportError::Io(io::Error::other("no memory")));
        }
        self.inner.accept().await
    }
}

/// A listener whose connections have no handshake.
pub(crate) struct Instant(pub(crate) MemoryListener);

pub(crate) struct InstantPending(MemoryPending);

impl Listener for Instant {
    type Pending = InstantPending;

    fn backend(&self) -> Backend {
        self.0.backend()
    }

    async fn accept(&mut self) -> Result<InstantPending, TransportError> {
        self.0.accept().await.map(InstantPending)
    }
}

impl Pending for InstantPending {
    type Io = <MemoryPending as Pending>::Io;

    const HANDSHAKE: bool = false;

    fn peer(&self) -> PeerAddr {
        self.0.peer()
    }

    async fn establish(self) -> Result<Connection<Self::Io>, TransportError> {
        self.0.establish().await
    }
}

/// Connections without a handshake do not fill the pending handshakes.
async fn burst_without_handshake_is_served() {
    const BURST: usize = 60;
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let mut peers = Vec::new();
    for _ in 0..BURST {
        let to = Target::host("any", 1).unwrap();
        peers.push(raw.dial(&to).await.unwrap());
    }
    let recorder = Recorder::new();
    let limits = Limits::new().with_max_pending_handshakes(4).unwrap();
    let builder = Transport::builder()
        .limits(limits)
        .raw_listener("pipe", Instant(listener))
        .observer(recorder.observer());
    let transport = Arc::new(builder.build().unwrap());
    transport.listen().await.unwrap();
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(ron_transport::echo));
    for peer in &mut peers {
        peer.io.write_all(b"x").await.unwrap();
        assert_eq!(peer.io.read_u8().await.unwrap(), b'x');
    }
    assert_eq!(recorder.rejected(Reason::HandshakeLimit), 0);
    drop(peers);
    transport.shutdown(AMPLE).await;
    serving.await.unwrap().unwrap();
}
