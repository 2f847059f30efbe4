//! The stream below hyper: a connection that tracks request heads.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ron_transport::Conn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::request_state::RequestState;

/// The client preface of HTTP/2 (RFC 9113 §3.4). A part of it is under the deadline of a head.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that reports arriving bytes to [`RequestState`].
pub(crate) struct ServerIo {
    conn: Conn,
    state: RequestState,
    /// First bytes of the connection, until they decide the protocol.
    first: Option<Vec<u8>>,
}

impl ServerIo {
    pub(crate) fn new(conn: Conn, state: RequestState) -> Self {
        Self {
            conn,
            state,
            first: Some(Vec::new()),
        }
    }

    /// Decides by the first bytes whether the client speaks HTTP/2.
    fn sniff(&mut self, bytes: &[u8]) {
        let Some(first) = &mut self.first else {
            return;
        };
        let missing = HTTP2_PREFACE.len() - first.len();
        first.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        if first == HTTP2_PREFACE {
            self.state.stop_tracking();
        }
        if first.len() == HTTP2_PREFACE.len() || !HTTP2_PREFACE.starts_with(first) {
            self.first = None;
        }
    }
}

impl AsyncRead for ServerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.conn).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.sniff(&buf.filled()[before..]);
            this.state.bytes_arrived();
        } else if read.is_pending() {
            this.state.waits_for_bytes();
        }
        read
    }
}

impl AsyncWrite for ServerIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.conn).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.conn).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.conn.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.conn).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.conn).poll_shutdown(cx)
    }
}
