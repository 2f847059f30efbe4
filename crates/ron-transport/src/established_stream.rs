//! Established connections as a stream.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;
use transport_core::TransportError;

use crate::backend::AnyListener;
use crate::conn::Conn;
use crate::listener_slot::{close, AcceptLoop};
use crate::serve::{self, Established};
use crate::state::TransportState;
use crate::transport::Transport;

/// Established connections that wait for the stream's consumer.
///
/// One more waits in each task.
const QUEUE: usize = 1;

type Accepting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A stream of established connections.
///
/// [`Transport::incoming`] creates it. Handshakes run in tracked tasks, so a slow peer delays no
/// other. The stream accepts while it is polled, and reloads certificates as
/// [`Transport::serve`] does. It ends once the transport stops accepting and the last handshake is
/// over. A connection that waits in the stream is under its deadlines like any other, and counts
/// towards `max_conns`, which bounds the stream.
///
/// Dropping the stream closes the listener and the connections that wait in it. After
/// [`stop_accepting`](Transport::stop_accepting) or [`shutdown`](Transport::shutdown), poll it to
/// its end or drop it: the listener stays open until then.
pub struct Incoming {
    accepting: Option<Accepting>,
    established: mpsc::Receiver<Conn>,
}

impl Incoming {
    /// Waits for the next connection; `None` once the stream has ended.
    ///
    /// # Cancel safety
    /// Cancel-safe: a dropped call loses no connection.
    pub async fn next(&mut self) -> Option<Conn> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Incoming {
    type Item = Conn;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Conn>> {
        if let Some(accepting) = &mut self.accepting {
            if accepting.as_mut().poll(cx).is_ready() {
                self.accepting = None;
            }
        }
        self.established.poll_recv(cx)
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("accepting", &self.accepting.is_some())
            .finish_non_exhaustive()
    }
}

/// Sends each connection to the stream.
#[derive(Clone)]
struct SendToStream(mpsc::Sender<Conn>);

impl Established for SendToStream {
    async fn established(self, conn: Conn, _: Arc<TransportState>) {
        // The stream may be gone: the connection then closes with it.
        let _ = self.0.send(conn).await;
    }
}

impl Transport {
    /// Returns established connections as a stream.
    ///
    /// For servers that accept by themselves: axum, tonic, or a loop of the embedder.
    /// [`serve`](Self::serve) runs a handler for each connection instead. The stream keeps the
    /// transport alive.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use ron_transport::{echo, Transport};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let transport = Arc::new(Transport::builder().bind_addr("127.0.0.1:0".parse()?).build()?);
    /// transport.listen().await?;
    /// let mut incoming = transport.incoming()?;
    /// let accepting = tokio::spawn(async move {
    ///     while let Some(conn) = incoming.next().await {
    ///         let span = conn.span();
    ///         tokio::spawn(tracing::Instrument::instrument(echo(conn), span));
    ///     }
    /// });
    /// transport.shutdown(Duration::from_secs(1)).await;
    /// accepting.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError::State`] before [`listen`](Self::listen) has succeeded, or while another
    /// call accepts.
    pub fn incoming(self: &Arc<Self>) -> Result<Incoming, TransportError> {
        let (sender, established) = mpsc::channel(QUEUE);
        let listener = match self.take_loop()? {
            AcceptLoop::Listener(borrowed) => borrowed.take_over(),
            AcceptLoop::Without | AcceptLoop::Closed => None,
        };
        let listener = listener.map(|listener| self.register_here(listener));
        let listener = listener.transpose()?;
        let accepting = listener.map(|listener| {
            let owner = ListenerOwner {
                listener: Some(listener),
                transport: Arc::clone(self),
            };
            Box::pin(accept(owner, SendToStream(sender))) as Accepting
        });
        Ok(Incoming {
            accepting,
            established,
        })
    }
}

async fn accept(mut owner: ListenerOwner, then: SendToStream) {
    let transport = Arc::clone(&owner.transport);
    let Some(listener) = &mut owner.listener else {
        return;
    };
    tokio::select! {
        () = serve::run(listener, &transport.state, &then) => {}
        () = transport.watch_certificates() => {}
    }
}

/// Owns a stream's listener, and reports its end to the transport.
struct ListenerOwner {
    listener: Option<Box<AnyListener>>,
    transport: Arc<Transport>,
}

impl Drop for ListenerOwner {
    fn drop(&mut self) {
        self.listener = None;
        close(&self.transport.listener, &self.transport.state.released);
    }
}
