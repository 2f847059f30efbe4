//! The in-memory session cache of a dialer.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_rustls::rustls::client::{
    ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::NamedGroup;

use super::lifetime::SessionLifetime;
use crate::dates::{self, Seconds};

/// Most cached servers; the one added first is evicted.
const MAX_SERVERS: usize = 32;
/// Most tickets of one server; the oldest is evicted.
const MAX_TICKETS: usize = 8;

type CachedTicket = (SessionLifetime, Tls13ClientSessionValue);

/// The tickets of every connection of one client configuration.
pub(crate) struct SessionCache {
    servers: Mutex<CachedServers>,
    clock: Arc<dyn TimeProvider>,
    /// When the first configured CRL expires. From then on every handshake is a full one.
    crls_end: Seconds,
}

#[derive(Default)]
struct CachedServers {
    by_name: HashMap<ServerName<'static>, CachedServer>,
    /// In order of insertion.
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

    /// Takes the newest ticket that has not expired, and drops expired ones.
    fn take(&self, name: &ServerName<'static>) -> Option<CachedTicket> {
        let now = self.now()?;
        let mut servers = self.lock();
        let tickets = &mut servers.by_name.get_mut(name)?.tickets;
        if self.crls_end <= now {
            tickets.clear();
        }
        while let Some((lifetime, value)) = tickets.pop_back() {
            if lifetime.remaining(now).is_some() {
                return Some((lifetime, value));
            }
        }
        None
    }
}

impl CachedServers {
    fn edit(&mut self, name: ServerName<'static>, edit: impl FnOnce(&mut CachedServer)) {
        if !self.by_name.contains_key(&name) {
            if self.order.len() >= MAX_SERVERS {
                if let Some(first) = self.order.pop_front() {
                    self.by_name.remove(&first);
                }
            }
            self.order.push_back(name.clone());
        }
        edit(self.by_name.entry(name).or_default());
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCache").finish_non_exhaustive()
    }
}

/// The session store of one connection.
///
/// It knows the session that a received ticket belongs to, which rustls does not report.
pub(crate) struct ConnSessionStore {
    cache: Arc<SessionCache>,
    state: Mutex<ConnTickets>,
}

#[derive(Default)]
struct ConnTickets {
    /// The lifetime of the ticket that was offered to the server.
    offered: Option<SessionLifetime>,
    /// The lifetime of this session, set after the handshake.
    lifetime: Option<SessionLifetime>,
    /// Tickets that arrived before the end of the handshake.
    early: Vec<(ServerName<'static>, Tls13ClientSessionValue)>,
}

impl ConnSessionStore {
    pub(crate) fn new(cache: &Arc<SessionCache>) -> Self {
        Self {
            cache: Arc::clone(cache),
            state: Mutex::default(),
        }
    }

    /// Records the completed handshake, and caches tickets from now on.
    pub(crate) fn established(&self, resumed: bool, chain: &[CertificateDer<'_>]) {
        let mut state = self.lock();
        let lifetime = match (resumed, state.offered, self.cache.now()) {
            (true, Some(offered), _) => Some(offered),
            (false, _, Some(now)) => {
                dates::earliest_end(chain).map(|chain_not_after| SessionLifetime {
                    full_handshake_at: now,
                    chain_not_after,
                })
            }
            _ => None,
        };
        state.lifetime = lifetime;
        let early = std::mem::take(&mut state.early);
        drop(state);
        if let Some(lifetime) = lifetime {
            for (name, value) in early {
                self.cache.put(name, (lifetime, value));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ConnTickets> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for ConnSessionStore {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        let mut servers = self.cache.lock();
        servers.edit(name, |server| server.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        let servers = self.cache.lock();
        servers.by_name.get(name).and_then(|server| server.group)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut state = self.lock();
        if let Some(lifetime) = state.lifetime {
            drop(state);
            self.cache.put(name, (lifetime, value));
        } else if state.early.len() < MAX_TICKETS {
            state.early.push((name, value));
        }
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let (lifetime, value) = self.cache.take(name)?;
        self.lock().offered = Some(lifetime);
        Some(value)
    }
}

impl fmt::Debug for ConnSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnSessionStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::time_provider::DefaultTimeProvider;

    use super::*;

    fn name(number: usize) -> ServerName<'static> {
        ServerName::try_from(format!("host-{number}.example")).unwrap()
    }

    /// A dialer with many names, such as a forward proxy, keeps few.
    #[test]
    fn oldest_server_evicted() {
        let cache = Arc::new(SessionCache::new(Arc::new(DefaultTimeProvider), u64::MAX));
        let store = ConnSessionStore::new(&cache);
        for number in 0..=MAX_SERVERS {
            store.set_kx_hint(name(number), NamedGroup::X25519);
        }
        assert_eq!(store.kx_hint(&name(0)), None);
        for number in 1..=MAX_SERVERS {
            let hint = store.kx_hint(&name(number));
            assert_eq!(hint, Some(NamedGroup::X25519), "{number}");
        }
        store.set_kx_hint(name(1), NamedGroup::secp256r1);
        assert_eq!(store.kx_hint(&name(1)), Some(NamedGroup::secp256r1));
        assert_eq!(cache.lock().by_name.len(), MAX_SERVERS);
    }

    #[test]
    fn session_without_ticket_is_not_offered() {
        let cache = Arc::new(SessionCache::new(Arc::new(DefaultTimeProvider), u64::MAX));
        let store = ConnSessionStore::new(&cache);
        assert!(store.take_tls13_ticket(&name(0)).is_none());
        assert!(store.tls12_session(&name(0)).is_none());
        store.established(true, &[]);
        assert!(store.lock().lifetime.is_none(), "no ticket was offered");
    }
}
