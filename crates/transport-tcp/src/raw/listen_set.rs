//! The addresses of a listener, and their changes while it accepts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use transport_core::TransportError;

use super::mailbox::{Mailbox, SocketChange};
use super::open::{BindPlan, OpenSocket};
use crate::{check_addrs, leaves_v4, TcpConfig};

/// The addresses at which the accept loops of a listener accept.
///
/// Each accept loop has a [`TcpListener`](super::TcpListener) with a socket for each address. Clones share the set. It
/// holds no socket: a listener that is dropped closes its own.
///
/// ```
/// use std::net::SocketAddr;
///
/// use transport_tcp::raw::ListenSet;
/// use transport_tcp::TcpConfig;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = TcpConfig::default();
/// let both: [SocketAddr; 2] = ["127.0.0.1:0".parse()?, "127.0.0.2:0".parse()?];
/// // Two accept loops, each with a socket for each address.
/// let (set, listeners) = ListenSet::bind(&both, &config, 2)?;
/// assert_eq!((set.local_addrs().len(), listeners.len()), (2, 2));
///
/// // Closes one address; the connections and the other address stay.
/// set.stage(&both[..1], &config)?.commit();
/// assert_eq!(set.local_addrs().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ListenSet(Arc<Mutex<SetState>>);

#[derive(Debug, Default)]
struct SetState {
    addrs: Vec<BoundAddr>,
    /// One for each accept loop.
    boxes: Vec<Weak<Mailbox>>,
}

#[derive(Debug, Clone, Copy)]
struct BoundAddr {
    configured: SocketAddr,
    local: SocketAddr,
    only_v6: bool,
}

impl ListenSet {
    /// Creates a set of passed sockets, with its accept loop.
    pub(super) fn of_sockets(
        sockets: Vec<OpenSocket>,
    ) -> Result<(Self, Arc<Mailbox>), TransportError> {
        if sockets.is_empty() {
            return Err(no_address());
        }
        let set = Self::default();
        let (mut addrs, mut changes) = (Vec::new(), Vec::new());
        for socket in sockets {
            addrs.push(BoundAddr {
                configured: socket.local,
                local: socket.local,
                only_v6: false,
            });
            changes.push(SocketChange::Add(Arc::new(socket)));
        }
        let mailbox = set.mailbox(&Mailbox::new(changes));
        set.lock().addrs = addrs;
        Ok((set, mailbox))
    }

    /// Returns the bound addresses, in the order of the list.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.lock().addrs.iter().map(|addr| addr.local).collect()
    }

    /// Opens the sockets of another list of addresses, without using them yet.
    ///
    /// Dropping the result closes them again. Sockets of addresses in both lists stay as they are.
    /// Changes are staged and committed one after the other.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), and if an address in both lists would change its families: beside an
    /// IPv4 address with the same port, `[::]` no longer accepts IPv4.
    pub fn stage(
        &self,
        addrs: &[SocketAddr],
        config: &TcpConfig,
    ) -> Result<StagedSockets, TransportError> {
        if addrs.is_empty() {
            return Err(no_address());
        }
        check_addrs(addrs).map_err(|why| TransportError::Config { source: why.into() })?;
        let (known, loops) = {
            let state = self.lock();
            (
                state.addrs.clone(),
                state
                    .boxes
                    .iter()
                    .filter(|one| one.strong_count() != 0)
                    .count(),
            )
        };
        let mut staged = StagedSockets {
            set: self.clone(),
            addrs: Vec::with_capacity(addrs.len()),
            opened: Vec::new(),
        };
        for &addr in addrs {
            let only_v6 = leaves_v4(addr, addrs);
            if let Some(same) = known.iter().find(|known| known.configured == addr) {
                if same.only_v6 != only_v6 {
                    return Err(changes_families(addr, only_v6));
                }
                staged.addrs.push(*same);
                continue;
            }
            let plan = BindPlan {
                addr,
                only_v6,
                config,
            };
            let sockets: Vec<_> = plan.open(loops)?.into_iter().map(Arc::new).collect();
            if let Some(first) = sockets.first() {
                staged.addrs.push(BoundAddr {
                    configured: addr,
                    local: first.local,
                    only_v6,
                });
            }
            staged.opened.push(sockets);
        }
        Ok(staged)
    }

    /// Adds an accept loop with the unapplied changes of another one.
    pub(super) fn mailbox(&self, of: &Mailbox) -> Arc<Mailbox> {
        let mut state = self.lock();
        let mailbox = Arc::new(Mailbox::new(of.pending()));
        state.boxes.retain(|one| one.strong_count() != 0);
        state.boxes.push(Arc::downgrade(&mailbox));
        mailbox
    }

    fn lock(&self) -> MutexGuard<'_, SetState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opened sockets of another list of addresses. Dropping it closes them.
#[derive(Debug)]
#[must_use = "without commit() the new sockets close again"]
pub struct StagedSockets {
    set: ListenSet,
    addrs: Vec<BoundAddr>,
    /// The sockets of each added address: one or one per loop.
    opened: Vec<Vec<Arc<OpenSocket>>>,
}

impl StagedSockets {
    /// Adds the new sockets, and closes those of removed addresses.
    ///
    /// A loop does both before its next accept, and first accepts the connections that the kernel
    /// holds for a removed socket.
    pub fn commit(self) {
        let mut state = self.set.lock();
        let boxes: Vec<_> = state.boxes.iter().filter_map(Weak::upgrade).collect();
        let count = boxes.len();
        for sockets in &self.opened {
            // An accept loop may have started or ended since the sockets were opened.
            for at in 0..sockets.len().max(count) {
                if let Some(mailbox) = boxes.get(at % count.max(1)) {
                    let socket = Arc::clone(&sockets[at % sockets.len()]);
                    mailbox.put(SocketChange::Add(socket));
                }
            }
        }
        let is_kept = |old: &BoundAddr| self.addrs.iter().any(|addr| addr.local == old.local);
        for removed in state.addrs.iter().filter(|old| !is_kept(old)) {
            for mailbox in &boxes {
                mailbox.put(SocketChange::Remove(removed.local));
            }
        }
        state.addrs.clone_from(&self.addrs);
        drop(state);
        boxes.iter().for_each(|mailbox| mailbox.wake());
    }
}

fn no_address() -> TransportError {
    TransportError::Config {
        source: "a listener needs an address".into(),
    }
}

fn changes_families(addr: SocketAddr, only_v6: bool) -> TransportError {
    let change = match only_v6 {
        true => "accepts IPv4 too, and would leave it to the IPv4 address with the same port",
        false => "accepts IPv6 only, and would accept IPv4 without the IPv4 address",
    };
    TransportError::Config {
        source: format!("{addr} {change}: that needs a restart").into(),
    }
}
