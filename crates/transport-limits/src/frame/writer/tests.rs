//! Property test: streams that take any number of bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use transport_core::{Backend, ConnInfo, NoObserver};

use super::*;
use crate::conn_state::ConnState;
use crate::limiter::Limiter;
use crate::settings::Limits;

/// Takes bytes in pieces of these sizes; 0 is pending.
struct Sink {
    got: Vec<u8>,
    flushed: usize,
    closed: bool,
    sizes: Vec<usize>,
    turn: usize,
    vectored: bool,
}

impl AsyncWrite for &mut Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        if size == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bufs = if self.vectored { bufs } else { &bufs[..1] };
        assert!(bufs.iter().any(|buf| !buf.is_empty()), "a write of nothing");
        let bytes = bufs.iter().flat_map(|buf| buf.iter().copied());
        let before = self.got.len();
        self.got.extend(bytes.take(size));
        Poll::Ready(Ok(self.got.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = self.got.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn wire_bytes_match_queued_frames(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40),
        sizes in prop::collection::vec(0..60_usize, 0..8),
        vectored in any::<bool>(),
    ) {
        let limits = Limits::default();
        let limiter = Limiter::new(&limits, Arc::new(NoObserver)).unwrap();
        let settings = limiter.core().settings();
        let conn = ConnState::new(Arc::new(ConnInfo::new(Backend::Tcp, None)), Arc::clone(limiter.core()), settings, None, 0);
        let control = Control(Arc::new(conn));
        let room = Arc::new(Semaphore::new(1 << 20));
        let (inbox, queue) = mpsc::channel(64);
        let mut wire = Vec::new();
        for frame in &frames {
            wire.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            wire.extend(frame);
            let cost = u32::try_from(frame.len()).unwrap();
            let permit = Arc::clone(&room).try_acquire_many_owned(cost).unwrap();
            let queued = QueuedFrame::new(Bytes::from(frame.clone()), &control, permit, InboxHold::default());
            inbox.try_send(queued).unwrap();
        }
        drop(inbox);
        let sizes = sizes.into_iter().chain([7]).collect();
        let mut sink = Sink { got: Vec::new(), flushed: 0, closed: false, sizes, turn: 0, vectored };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(&mut sink, queue)).unwrap();
        prop_assert!(sink.got == wire, "{} bytes, not {}", sink.got.len(), wire.len());
        prop_assert!(sink.closed);
        prop_assert_eq!(sink.flushed, wire.len(), "written and not flushed");
        prop_assert_eq!(room.available_permits(), 1 << 20);
        prop_assert_eq!(control.0.activity.inbox_frames.load(Ordering::Relaxed), 0);
    }
}
