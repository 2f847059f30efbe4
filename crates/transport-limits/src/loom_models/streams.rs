//! The close of a stream by its owner and by a cancel.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use loom::future::block_on;
use loom::sync::atomic::Ordering;
use loom::thread;
use tokio::io::AsyncWrite;
use transport_core::{Backend, CloseReason, ConnInfo, Connection, Observer, PeerAddr, Plain};

use super::check_bounded;
use crate::establish::guarded;
use crate::limiter::Limiter;
use crate::settings::Limits;

/// Counts closes.
#[derive(Default)]
struct Closes(std::sync::atomic::AtomicU64);

impl Observer for Closes {
    fn closed(&self, _: Backend, _: CloseReason) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The owner and a cancel close the stream once. Its place is given back.
#[test]
fn stream_closed_once() {
    check_bounded(3, || {
        let closes = std::sync::Arc::new(Closes::default());
        let limiter = Limiter::new(&Limits::default(), closes.clone()).unwrap();
        let peer = PeerAddr::Uid(1);
        let core = limiter.core();
        let now = core.now();
        let permit = limiter.admit(Backend::Uds, peer, now).unwrap();
        let info = ConnInfo::new(Backend::Uds, Some(peer));
        let connection = Connection::new(Plain(tokio::io::empty()), info);
        let settings = core.settings();
        let guarded = guarded(limiter.clone(), permit, 1, connection, settings, now);
        let (mut stream, _) = guarded.into_parts();
        let control = stream.control();
        let canceller = thread::spawn(move || control.cancel());
        block_on(poll_fn(|cx| {
            let _ = Pin::new(&mut stream).poll_flush(cx);
            Poll::Ready(())
        }));
        drop(stream);
        canceller.join().unwrap();
        assert_eq!(closes.0.load(Ordering::Relaxed), 1);
        assert_eq!((core.admission().inside(), limiter.open()), (0, 0));
    });
}
