//! TLS of a transport: read when it is first needed, replaced by reloads, refreshed from its files.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout, Instant};
use transport_core::{Observer, Op, Reloadable, TransportError};
use transport_limits::Threads;
use transport_tls::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig};

use crate::config::Config;

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(2);
/// How long reading the trust store may take a dial: a file system may hang.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long files that cannot be used are looked at again before a listener fails: a renewal
/// replaces the certificate and its key one after the other.
const SETTLE: Duration = Duration::from_secs(1);
/// Pause between such looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Threads that read files: one look and one dial at a time, where a file system hangs.
const MAX_READERS: usize = 2;

/// What this transport proves, asks for, trusts and shows.
pub(crate) struct Tls {
    observer: Arc<dyn Observer>,
    /// Whether the embedder gave the server side; files have no say then.
    is_given: bool,
    server: OnceLock<Reloadable<ServerTls>>,
    client: OnceLock<Reloadable<ClientTls>>,
    settings: Mutex<Settings>,
    /// Reads the files.
    readers: Threads,
    /// The failure that the last look met, and how many looks in a row have.
    failure: Mutex<Option<(String, u32)>>,
}

/// What is in force, or would be if it were needed.
#[derive(Clone, PartialEq)]
struct Settings {
    server: TlsConfig,
    client: TlsClientConfig,
    pq: PqMode,
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            server: config.tls.clone(),
            client: config.tls_client.clone(),
            pq: config.pq.mode(),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("server", &self.server.get())
            .finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(
        config: &Config,
        given: Option<ServerTls>,
        observer: &Arc<dyn Observer>,
    ) -> Self {
        let tls = Self {
            observer: Arc::clone(observer),
            is_given: given.is_some(),
            server: OnceLock::new(),
            client: OnceLock::new(),
            settings: Mutex::new(Settings::of(config)),
            readers: Threads::new("tls-files", MAX_READERS),
            failure: Mutex::default(),
        };
        if let Some(server) = given {
            tls.tell_expiry(&server);
            let _ = tls.server.set(Reloadable::new(server));
        }
        tls
    }

    /// The server side. Reads files at the first call, and looks again for [`SETTLE`] where they
    /// cannot be used.
    pub(super) async fn server(
        &self,
        config: &Config,
    ) -> Result<Reloadable<ServerTls>, TransportError> {
        if let Some(live) = self.server.get() {
            return Ok(live.clone());
        }
        let until = Instant::now() + SETTLE;
        let server = loop {
            let (tls, pq) = (config.tls.clone(), config.pq.mode());
            let read = self.readers.run(move || ServerTls::load(&tls, pq)).await;
            match read.map_err(TransportError::Io)? {
                Ok(server) => break server,
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        };
        self.tell_expiry(&server);
        Ok(self.server.get_or_init(|| Reloadable::new(server)).clone())
    }

    /// The client side. Blocks on files at the first call.
    fn client(&self) -> Result<Reloadable<ClientTls>, TransportError> {
        if let Some(live) = self.client.get() {
            return Ok(live.clone());
        }
        // Held while it reads, so that a reload comes before it or after it.
        let settings = self.settings();
        let client = ClientTls::load(&settings.client, settings.pq)?;
        let live = self.client.get_or_init(|| Reloadable::new(client));
        Ok(live.clone())
    }

    /// Reads the files of what is used, and puts them and the settings in force. The first failure
    /// changes nothing, but for withdrawals: authorities, CRLs and allow-lists apply at both ends
    /// although a certificate of the same reload is broken. Blocks on files.
    pub(super) fn reload(&self, config: &Config) -> Result<(), TransportError> {
        let mut settings = self.settings();
        let next = Settings::of(config);
        let server = self.server.get().map(|live| (live, live.get()));
        let client = self.client.get().map(|live| (live, live.get()));
        // Of a server that the embedder gave, the settings have no say.
        let new_server = server
            .as_ref()
            .map_or(Ok(None), |(_, now)| match self.is_given {
                true => Ok(None),
                false => now.reconfigured(&next.server, next.pq),
            });
        let new_client = client
            .as_ref()
            .map_or(Ok(None), |(_, now)| now.reconfigured(&next.client, next.pq));
        let (new_server, new_client) = match (new_server, new_client) {
            (Ok(server), Ok(client)) => (server, client),
            (Err(error), _) | (_, Err(error)) => {
                if let Some((live, now)) = server.filter(|_| !self.is_given) {
                    if let Some(new) = now.withdrawn(&next.server) {
                        live.replace(new);
                    }
                }
                if let Some((live, now)) = client {
                    if let Some(new) = now.withdrawn(&next.client) {
                        live.replace(new);
                    }
                }
                return Err(error);
            }
        };
        if let (Some((live, _)), Some(new)) = (server, new_server) {
            self.tell_expiry(&new);
            live.replace(new);
        }
        if let (Some((live, _)), Some(new)) = (client, new_client) {
            live.replace(new);
        }
        *settings = next;
        Ok(())
    }

    /// Looks at the files of what is used, for ever.
    pub(super) async fn keep_fresh(self: &Arc<Self>) -> Infallible {
        let is_used = || self.server.get().is_some() || self.client.get().is_some();
        if is_used() {
            // While the system still has a thread; without it each look tries anew.
            let _ = self.readers.start();
        }
        loop {
            sleep(EVERY).await;
            if is_used() {
                let tls = Arc::clone(self);
                // Without a thread, the next look comes in time.
                let _ = self.readers.run(move || tls.look()).await;
            }
        }
    }

    /// One look. A failure is told when the next look meets it too: of a pair, one file is
    /// replaced after the other.
    fn look(&self) {
        let server = self.server.get().map_or(Ok(false), ServerTls::refresh);
        let client = self.client.get().map_or(Ok(false), ClientTls::refresh);
        let changed = matches!(server, Ok(true)) || matches!(client, Ok(true));
        self.renewed(matches!(server, Ok(true)));
        let failed = server.and(client).err().map(|error| error.to_string());
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if changed {
            self.tell(Ok(()));
        }
        *failure = failed.map(|text| match failure.take() {
            Some((before, looks)) if before == text => (text, looks.saturating_add(1)),
            _ => (text, 1),
        });
        if let Some((text, 2)) = &*failure {
            self.tell(Err(text));
        }
    }

    /// The certificate in force is another.
    fn renewed(&self, renewed: bool) {
        if let Some(live) = self.server.get().filter(|_| renewed) {
            self.tell_expiry(&live.get());
        }
    }

    fn tell_expiry(&self, server: &ServerTls) {
        if let Some(not_after) = server.not_after() {
            self.observer.certificate_expiry(not_after);
        }
    }

    fn tell(&self, result: Result<(), &dyn Display>) {
        self.observer.reloaded(result.is_ok());
        match result {
            Ok(()) => tracing::info!(
                target: "ron_transport",
                event = "reload",
                result = "ok",
                "tls files were renewed",
            ),
            Err(error) => tracing::warn!(
                target: "ron_transport",
                event = "reload",
                result = "rejected",
                error = %error,
                "tls files cannot be used; those from before are in force, but for withdrawals",
            ),
        }
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client side, read on a thread of its own.
pub(super) async fn client(tls: &Arc<Tls>) -> Result<Reloadable<ClientTls>, TransportError> {
    if let Some(live) = tls.client.get() {
        return Ok(live.clone());
    }
    let reading = Arc::clone(tls);
    let read = tls.readers.run(move || reading.client());
    match timeout(LOAD_TIMEOUT, read).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(TransportError::Io(error)),
        Err(_) => Err(TransportError::Timeout { op: Op::Dial }),
    }
}
