//! Connections that close before or right after their handshake.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Backend, CloseReason, Dialer, Io, Listener, Pending, TransportError};
use transport_testkit::{MemoryIo, MemoryListener, Recorder};
use transport_tls::raw::TlsDialer;
use transport_tls::PqMode;

use crate::pki;
use crate::rig::{files, message, target, HandshakeResult, Rig};
use crate::rustls_peer::Peer;

/// Returns the server's result for a client that behaves like this.
async fn accepted<F>(rig: &mut Rig, client: impl FnOnce(MemoryIo) -> F) -> HandshakeResult
where
    F: std::future::Future<Output = ()>,
{
    let io = rig.plain.dial(&target()).await.unwrap().io;
    let accept = async { rig.listener.accept().await?.establish().await };
    tokio::join!(accept, client(io)).0
}

async fn closed(mut io: MemoryIo) {
    io.shutdown().await.unwrap();
}

async fn dropped(io: MemoryIo) {
    drop(io);
}

async fn reset(mut io: MemoryIo) {
    io.abort();
}

/// A health check connects and closes.
#[tokio::test]
async fn close_before_first_byte_is_not_a_failure() {
    let mut rig = Rig::plain(PqMode::Off);
    let ends = [
        accepted(&mut rig, closed).await,
        accepted(&mut rig, dropped).await,
        accepted(&mut rig, reset).await,
    ];
    let wanted = [CloseReason::Eof, CloseReason::Eof, CloseReason::Reset];
    for (end, wanted) in ends.into_iter().zip(wanted) {
        let error = end.unwrap_err();
        assert_eq!(error.reason(), None, "{error:?}");
        assert_eq!(error.close_reason(), wanted, "{error:?}");
    }
    assert_eq!(rig.accepts.snapshot().tls_handshakes, []);
}

#[tokio::test]
async fn close_within_hello_is_a_failure() {
    for last in [false, true] {
        let mut rig = Rig::plain(PqMode::Off);
        let leaving = |mut io: MemoryIo| async move {
            io.write_all(&[22]).await.unwrap();
            if last {
                io.abort();
            }
        };
        message(&accepted(&mut rig, leaving).await.unwrap_err());
        assert_eq!(rig.accepts.snapshot().tls_handshakes.len(), 1);
    }
}

/// A dial fails if the server closes without a byte.
#[tokio::test]
async fn silent_server_close_fails_dial() {
    let (files, _) = files();
    let live = pki::client(&files.client_config(), PqMode::Off);
    let (mut listener, reach) = MemoryListener::bind(Backend::Tcp);
    let dials = Recorder::new();
    let dialer = TlsDialer::over(reach, &live, dials.observer());
    let leaving = async { drop(listener.accept().await.unwrap().establish().await.unwrap()) };
    let target = target();
    let (dialed, ()) = tokio::join!(dialer.dial(&target), leaving);
    message(&dialed.unwrap_err());
    assert_eq!(dials.snapshot().tls_handshakes.len(), 1);
}

/// The behaviour of a client that does not read its tickets.
#[derive(Clone, Copy, Debug)]
struct Leaves {
    data: &'static [u8],
    close_notify: bool,
    reset: bool,
}

/// Returns the server's data, read error, and whether its shutdown succeeded.
async fn left(leaves: Leaves) -> (Vec<u8>, Option<TransportError>, bool) {
    let (files, authority) = files();
    let server = pki::server(&files.server_config(), PqMode::Hybrid);
    let client = pki::client(&files.client_config(), PqMode::Hybrid);
    let mut rig = Rig::new(&server, &client);
    let leaving = |io: MemoryIo| async {
        let mut peer = Peer::connect(io, &authority).await;
        let last = peer.records(leaves.data, leaves.close_notify);
        peer.send(&last).await;
        if leaves.reset {
            peer.io.abort();
        }
    };
    let mut server = accepted(&mut rig, leaving)
        .await
        .unwrap_or_else(|error| panic!("{leaves:?}: {error:?}"));
    assert!(rig.accepts.snapshot().tls_handshakes[0].ok);
    let mut data = Vec::new();
    let end = server.io.read_to_end(&mut data).await;
    let shut = server.io.shutdown().await;
    (data, end.err().map(TransportError::from), shut.is_ok())
}

/// Undeliverable tickets cause no failure.
#[tokio::test]
async fn unread_tickets_are_not_a_failure() {
    for data in [&b""[..], b"request"] {
        for close_notify in [false, true] {
            for reset in [false, true] {
                let leaves = Leaves {
                    data,
                    close_notify,
                    reset,
                };
                let (got, error, shut) = left(leaves).await;
                assert_eq!(got, data, "{leaves:?}");
                let reason = error.as_ref().map(TransportError::close_reason);
                let wanted = match (close_notify, reset) {
                    (true, _) => None,
                    (false, true) => Some(CloseReason::Reset),
                    (false, false) => Some(CloseReason::Truncated),
                };
                assert_eq!(reason, wanted, "{leaves:?}: {error:?}");
                assert_eq!(shut, close_notify, "{leaves:?}");
            }
        }
    }
}
