//! SessionCache that a dialer keeps for resumption, in memory.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_rustls::rustls::client::{
    ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::NamedGroup;

use super::SessionLifetime;
use crate::dates::{self, Seconds};

/// CachedServers that are remembered; the one that was added first makes room.
const MAX_SERVERS: usize = 32;
/// LifetimeTicketer of one server; the oldest makes room.
const MAX_TICKETS: usize = 8;

type CachedTicket = (SessionLifetime, Tls13ClientSessionValue);

/// The tickets of all connections of one client configuration.
pub(crate) struct SessionCache {
    servers: Mutex<CachedServers>,
    clock: Arc<dyn TimeProvider>,
    /// The end of the configured CRLs: from then on a full handshake decides.
    crls_end: Seconds,
}

#[derive(Default)]
struct CachedServers {
    known: HashMap<ServerName<'static>, CachedServer>,
    /// In the order in which they were added.
    order: VecDeque<ServerName<'static>>,
}

#[derive(Default)]
struct CachedServer {
    group: Option<NamedGroup>,
    tickets: VecDeque<CachedTicket>,
}

impl SessionCache {
    pub(crate) fn new(clock: Arc<dyn TimeProvider>, crls_end: Seconds) -> Self {
        Self {
            servers: Mutex::default(),
            clock,
            crls_end,
        }
    }

    fn lock(&self) -> MutexGuard<'_, CachedServers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Option<Seconds> {
        Some(self.clock.current_time()?.as_secs())
    }

    fn put(&self, name: ServerName<'static>, ticket: CachedTicket) {
        self.lock().edit(name, |server| {
            if server.tickets.len() >= MAX_TICKETS {
                server.tickets.pop_front();
            }
            server.tickets.push_back(ticket);
        });
    }

    /// The newest ticket that is still of use; those that are not are dropped.
    fn take(&self, name: &ServerName<'static>) -> Option<CachedTicket> {
        let now = self.now()?;
        let mut servers = self.lock();
        let tickets = &mut servers.known.get_mut(name)?.tickets;
        if self.crls_end <= now {
            tickets.clear();
        }
        while let Some((facts, value)) = tickets.pop_back() {
            if facts.left(now).is_some() {
                return Some((facts, value));
            }
        }
        None
    }
}

impl CachedServers {
    fn edit(&mut self, name: ServerName<'static>, edit: impl FnOnce(&mut CachedServer)) {
        if !self.known.contains_key(&name) {
            if self.order.len() >= MAX_SERVERS {
                if let Some(first) = self.order.pop_front() {
                    self.known.remove(&first);
                }
            }
            self.order.push_back(name.clone());
        }
        edit(self.known.entry(name).or_default());
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCache").finish_non_exhaustive()
    }
}

/// The session store of one connection: it knows which session a ticket belongs to.
pub(crate) struct ConnSessionStore {
    all: Arc<SessionCache>,
    state: Mutex<ConnTickets>,
}

#[derive(Default)]
struct ConnTickets {
    /// The facts of the ticket that was offered to the server.
    offered: Option<SessionLifetime>,
    /// The facts of this session, once its handshake is over.
    facts: Option<SessionLifetime>,
    /// LifetimeTicketer that came before the handshake was over.
    early: Vec<(ServerName<'static>, Tls13ClientSessionValue)>,
}

impl ConnSessionStore {
    pub(crate) fn new(all: &Arc<SessionCache>) -> Self {
        Self {
            all: Arc::clone(all),
            state: Mutex::default(),
        }
    }

    /// Says how the handshake went; tickets are kept from now on.
    pub(crate) fn established(&self, resumed: bool, chain: &[CertificateDer<'_>]) {
        let mut state = self.lock();
        let facts = match (resumed, state.offered, self.all.now()) {
            (true, Some(facts), _) => Some(facts),
            (false, _, Some(now)) => {
                dates::earliest_end(chain).map(|until| SessionLifetime { began: now, until })
            }
            _ => None,
        };
        state.facts = facts;
        let early = std::mem::take(&mut state.early);
        drop(state);
        if let Some(facts) = facts {
            for (name, value) in early {
                self.all.put(name, (facts, value));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ConnTickets> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for ConnSessionStore {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        let mut servers = self.all.lock();
        servers.edit(name, |server| server.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        let servers = self.all.lock();
        servers.known.get(name).and_then(|server| server.group)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut state = self.lock();
        if let Some(facts) = state.facts {
            drop(state);
            self.all.put(name, (facts, value));
        } else if state.early.len() < MAX_TICKETS {
            state.early.push((name, value));
        }
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let (facts, value) = self.all.take(name)?;
        self.lock().offered = Some(facts);
        Some(value)
    }
}

impl fmt::Debug for ConnSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnSessionStore").finish_non_exhaustive()
    }
}
