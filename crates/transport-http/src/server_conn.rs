//! A connection for servers that drain by themselves.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ron_transport::{Busy, Conn};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::handover_progress::Silent;
use crate::ConnDetails;

/// A connection for a server that drains itself.
///
/// Examples are the servers of axum and tonic. A drain does not close it as idle: only the server
/// knows whether a request is in flight. The server must be told to shut down gracefully.
#[derive(Debug)]
pub struct ServerConn {
    conn: Conn,
    /// Until the client's first byte.
    silent: Option<Silent>,
    _busy: Busy,
}

impl ServerConn {
    pub(crate) fn new(conn: Conn, silent: Silent) -> Self {
        let busy = conn.control().busy();
        Self {
            conn,
            silent: Some(silent),
            _busy: busy,
        }
    }

    /// Describes the connection.
    #[must_use]
    pub fn details(&self) -> ConnDetails {
        ConnDetails::new(&self.conn)
    }
}

impl AsyncRead for ServerConn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.conn).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.silent = None;
        }
        read
    }
}

impl AsyncWrite for ServerConn {
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
