//! Binds or takes over a socket, accepts from it, and closes it.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::timeout;
use transport_core::{ReadyReason, ReadyState, TransportError};

use crate::backend::{AnyListener, ListenerParts};
use crate::bound_addrs::BoundAddrs;
use crate::config::Config;
use crate::incoming::IncomingConn;
use crate::listen_addr::{Inherited, ListenAddr};
use crate::listener_slot::{borrow, lock, AcceptLoop, ListenerSlot, ReturnOnDrop};
use crate::readiness::Component;
use crate::serve::{accept_now, BACKLOG_TIMEOUT};
use crate::transport::Transport;

/// Time in which an embedder's accept loop calls `accept` again.
///
/// The call then sees the end.
const NEXT_ACCEPT_TIMEOUT: Duration = Duration::from_millis(20);

impl Transport {
    /// Binds the configured addresses and becomes `Ready`.
    ///
    /// Connections queue in the kernel until [`serve`](Self::serve) or [`accept`](Self::accept)
    /// takes them. Returns the address, of several the first;
    /// [`local_addrs`](Self::local_addrs) has all of them.
    ///
    /// # Errors
    /// [`TransportError::Bind`]; [`TransportError::Tls`] for an unusable certificate or key;
    /// [`TransportError::Config`] without an address; [`TransportError::State`] at a second call
    /// and after a shutdown. A failed bind sets readiness to `NotReady("bind_failed")` or
    /// `NotReady("tls")`.
    pub async fn listen(&self) -> Result<ListenAddr, TransportError> {
        self.may_listen(&lock(&self.listener))?;
        let config = self.config();
        let bound = AnyListener::bind_many(&self.parts(&config), self.loops()).await;
        self.bound(bound, false)
    }

    /// Listens on a socket that another process has bound.
    ///
    /// An example of such a process is a service manager.
    ///
    /// ```no_run
    /// use ron_transport::{Inherited, Transport};
    ///
    /// # async fn run(socket: std::net::TcpListener) -> Result<(), ron_transport::TransportError> {
    /// let transport = Transport::builder().build()?;
    /// let addr = transport.listen_on(Inherited::Tcp(socket)).await?;
    /// println!("listening on {addr}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError::Config`] when the configured backend cannot use the socket, otherwise as
    /// [`listen`](Self::listen).
    pub async fn listen_on(&self, socket: Inherited) -> Result<ListenAddr, TransportError> {
        self.listen_on_all(vec![socket]).await
    }

    /// Listens on several sockets that another process has bound.
    ///
    /// As [`listen_on`](Self::listen_on). TCP and TLS listen on any number of them, other backends on
    /// one.
    ///
    /// # Errors
    /// As [`listen_on`](Self::listen_on), and [`TransportError::Config`] without a socket.
    pub async fn listen_on_all(
        &self,
        sockets: Vec<Inherited>,
    ) -> Result<ListenAddr, TransportError> {
        self.may_listen(&lock(&self.listener))?;
        let config = self.config();
        let bound = AnyListener::from_inherited(sockets, &self.parts(&config)).await;
        self.bound(
            bound.and_then(|listener| listener.into_many(self.loops())),
            true,
        )
    }

    /// Returns the address of the listener, of several the first.
    ///
    /// `None` before [`listen`](Self::listen).
    #[must_use]
    pub fn local_addr(&self) -> Option<ListenAddr> {
        self.local_addrs().into_iter().next()
    }

    /// Returns the addresses of the listener, in the order of `bind_addr`.
    ///
    /// None before [`listen`](Self::listen). A [`reload`](Self::reload) adds and removes some.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<ListenAddr> {
        self.bound.get().map(BoundAddrs::all).unwrap_or_default()
    }

    fn parts<'a>(&'a self, config: &'a Config) -> ListenerParts<'a> {
        ListenerParts {
            config,
            backends: &self.backends,
            custom: self.custom.as_ref(),
            max_fd: self.max_fd,
            limiter: &self.state.limiter,
        }
    }

    /// Returns the number of accept loops.
    fn loops(&self) -> usize {
        self.accept_loops.map_or(1, NonZeroUsize::get)
    }

    /// Stores the bound listeners and updates readiness.
    fn bound(
        &self,
        bound: Result<Vec<AnyListener>, TransportError>,
        is_inherited: bool,
    ) -> Result<ListenAddr, TransportError> {
        let readiness = &self.state.readiness;
        let bound = bound.and_then(|all| Ok((all[0].bound_addrs(is_inherited)?, all)));
        let mut slot = lock(&self.listener);
        // A shutdown or another call may have come first while this one was binding.
        self.may_listen(&slot)?;
        let (addrs, listeners) = bound.inspect_err(|error| {
            let reason = match error {
                TransportError::Tls { .. } => ReadyReason::Tls,
                _ => ReadyReason::BindFailed,
            };
            readiness.not_ready(Component::Lifecycle, reason);
        })?;
        *slot = ListenerSlot::bound(listeners, self.loops());
        let first = addrs.all().into_iter().next();
        let _ = self.bound.set(addrs);
        readiness.set(Component::Listener, ReadyState::Ready);
        readiness.set(Component::Lifecycle, ReadyState::Ready);
        first.ok_or(TransportError::Closed)
    }

    fn may_listen(&self, slot: &ListenerSlot) -> Result<(), TransportError> {
        let what = if self.state.stop.is_cancelled() {
            "the transport has shut down: build another one to listen"
        } else if !matches!(slot, ListenerSlot::Unbound) {
            "the transport is listening: listen() may be called once"
        } else {
            return Ok(());
        };
        Err(TransportError::State { what })
    }

    /// Waits for the next admitted connection, for an embedder's own accept loop.
    ///
    /// Returns `None` once accepting has ended and the backlog is empty. The loop also runs
    /// [`watch_certificates`](Self::watch_certificates) beside it; [`serve`](Self::serve) does both.
    ///
    /// ```
    /// use ron_transport::{Transport, TransportError};
    ///
    /// async fn accept_loop(transport: &Transport) -> Result<(), TransportError> {
    ///     while let Some(incoming) = transport.accept().await? {
    ///         // The handshake runs in a task: a slow peer does not delay the others.
    ///         tokio::spawn(async move {
    ///             if let Ok(conn) = incoming.establish().await {
    ///                 let _ = ron_transport::echo(conn).await;
    ///             }
    ///         });
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`TransportError::State`] before [`listen`](Self::listen), and while another call accepts.
    ///
    /// # Cancel safety
    /// Cancel-safe: a dropped future loses no admitted connection.
    pub async fn accept(&self) -> Result<Option<IncomingConn>, TransportError> {
        let Some(mut borrowed) = self.borrow_listener().await? else {
            return Ok(None);
        };
        let Some(listener) = &mut borrowed.listener else {
            return Ok(None);
        };
        let incoming = tokio::select! {
            biased;
            () = self.state.stop.cancelled() => {
                // The kernel has completed these connections: the clients expect service.
                let queued = accept_now(listener.accept()).await;
                if queued.is_none() {
                    borrowed.listener = None;
                }
                queued
            }
            incoming = listener.accept() => Some(incoming),
        };
        Ok(incoming.map(IncomingConn::new))
    }

    /// Borrows a listener for accepting; `None` once it is closed.
    ///
    /// Waits for that if this accept loop has none.
    pub(crate) async fn borrow_listener(&self) -> Result<Option<ReturnOnDrop<'_>>, TransportError> {
        Ok(match self.take_loop()? {
            AcceptLoop::Listener(borrowed) => Some(borrowed),
            AcceptLoop::Closed => None,
            AcceptLoop::Without => {
                self.state.stop.cancelled().await;
                None
            }
        })
    }

    pub(crate) fn take_loop(&self) -> Result<AcceptLoop<'_>, TransportError> {
        borrow(&self.listener, &self.state.stop, &self.state.released)
    }

    /// Registers a listener with the current runtime.
    ///
    /// Accept loops may run on different ones.
    pub(crate) fn register_here(
        &self,
        listener: Box<AnyListener>,
    ) -> Result<Box<AnyListener>, TransportError> {
        match self.accept_loops {
            Some(_) => Ok(listener.share()?.map_or(listener, Box::new)),
            None => Ok(listener),
        }
    }

    /// Closes the listener. A running accept loop first empties the backlog.
    pub(crate) async fn close_listener(&self) {
        let returned = self.listener_is(|slot| !slot.is_in_use());
        let _ = timeout(BACKLOG_TIMEOUT, returned).await;
        let is_closed =
            |slot: &ListenerSlot| matches!(slot, ListenerSlot::Unbound | ListenerSlot::Closed);
        let _ = timeout(NEXT_ACCEPT_TIMEOUT, self.listener_is(is_closed)).await;
        lock(&self.listener).close();
    }

    /// Waits until the slot is in a state that `wanted` accepts.
    async fn listener_is(&self, wanted: impl Fn(&ListenerSlot) -> bool) {
        loop {
            let released = self.state.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if wanted(&lock(&self.listener)) {
                return;
            }
            released.await;
        }
    }
}
