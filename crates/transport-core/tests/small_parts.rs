//! Live values, descriptions, and events that an observer ignores.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::schema::{Key, Kind, Reload};
use transport_core::{
    Backend, ConnInfo, Connection, Io, NoObserver, Observer, PeerAddr, Plain, Queue, ReadyState,
    Reloadable,
};

/// A stream that is at its end.
struct Ended;

impl AsyncRead for Ended {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ended {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn clones_of_live_value_share_it() {
    let live = Reloadable::<u32>::default();
    let clone = live.clone();
    assert_eq!(*clone.get(), 0);
    let before = clone.get();
    live.replace(7);
    assert_eq!((*clone.get(), *before), (7, 0));
    assert_eq!(format!("{clone:?}"), "Reloadable(7)");
    let shared = Arc::new(9);
    let live = Reloadable::from(Arc::clone(&shared));
    assert!(Arc::ptr_eq(&live.get(), &shared));
}

#[test]
fn connection_text_omits_the_stream() {
    let info = ConnInfo::new(Backend::Uds, Some(PeerAddr::Uid(7)));
    let conn = Connection::new(Plain(Ended), info);
    let text = format!("{conn:?}");
    assert!(text.starts_with("Connection { info: ConnInfo {"), "{text}");
    assert!(text.contains("Uid(7)") && !text.contains("Ended"), "{text}");
    let conn = conn.map(|Plain(io)| Box::new(Plain(io)));
    assert!(conn.io.needs_flush(), "the box asks the stream");
    let (_, info) = conn.into_parts();
    assert_eq!(info.peer, Some(PeerAddr::Uid(7)));
}

#[test]
fn events_may_be_ignored() {
    let observer: &dyn Observer = &NoObserver;
    observer.certificate_expiry(SystemTime::UNIX_EPOCH);
    observer.crl_expiry(None);
    observer.queue_dropped(Queue::ALL[0]);
    observer.readiness(ReadyState::Ready);
    observer.reloaded(true);
    observer.arti_progress(0.5);
}

#[test]
fn key_keeps_its_description() {
    let key = Key::new("max", Kind::Choice(&["only"]), Reload::Live).doc("Bounds it.");
    assert_eq!((key.doc, key.allowed().as_str()), ("Bounds it.", "only"));
}
