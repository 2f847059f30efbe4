//! The TLS state of a transport.
//!
//! It is loaded at its first use, and replaced by reloads and changed files.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout, Instant};
use transport_core::{Observer, Op, Reloadable, TransportError};
use transport_limits::Threads;
use transport_tls::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig};

use crate::config::Config;

/// Interval at which the files are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Longest time that a dial waits for the trust store.
///
/// A file system may hang.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for unusable files to become usable before a listener fails.
///
/// A renewal replaces the certificate and its key one after the other.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between such attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum of threads that read files.
///
/// If a file system hangs: one for checks and one for a dial.
const MAX_READERS: usize = 2;

/// The TLS state of a transport, server side and client side.
pub(crate) struct TlsState {
    observer: Arc<dyn Observer>,
    /// Whether the embedder passed the server side in memory.
    ///
    /// Files do not replace it.
    in_memory: bool,
    server: OnceLock<Reloadable<ServerTls>>,
    client: OnceLock<Reloadable<ClientTls>>,
    settings: Mutex<TlsSettings>,
    readers: Threads,
    /// The failure of the last check, and its repetitions.
    ///
    /// The number counts consecutive checks with this failure.
    failure: Mutex<Option<(String, u32)>>,
    /// Held by the task that checks the files.
    watching: tokio::sync::Mutex<()>,
}

/// The current settings, loaded or not.
#[derive(Clone, PartialEq)]
struct TlsSettings {
    server: TlsConfig,
    client: TlsClientConfig,
    pq: PqMode,
}

impl TlsSettings {
    fn of(config: &Config) -> Self {
        Self {
            server: config.tls.clone(),
            client: config.tls_client.clone(),
            pq: config.pq.mode(),
        }
    }
}

impl std::fmt::Debug for TlsState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsState")
            .field("server", &self.server.get())
            .finish_non_exhaustive()
    }
}

impl TlsState {
    pub(crate) fn new(
        config: &Config,
        server: Option<ServerTls>,
        observer: &Arc<dyn Observer>,
    ) -> Self {
        let tls = Self {
            observer: Arc::clone(observer),
            in_memory: server.is_some(),
            server: OnceLock::new(),
            client: OnceLock::new(),
            settings: Mutex::new(TlsSettings::of(config)),
            readers: Threads::new("tls-files", MAX_READERS),
            failure: Mutex::default(),
            watching: tokio::sync::Mutex::default(),
        };
        if let Some(server) = server {
            tls.report_expiry(&server);
            let _ = tls.server.set(Reloadable::new(server));
        }
        tls
    }

    /// Returns the server side. The first call reads the files, and retries for [`SETTLE_TIMEOUT`].
    pub(super) async fn server(
        &self,
        config: &Config,
    ) -> Result<Reloadable<ServerTls>, TransportError> {
        if let Some(live) = self.server.get() {
            return Ok(live.clone());
        }
        let until = Instant::now() + SETTLE_TIMEOUT;
        let server = loop {
            let (tls, pq) = (config.tls.clone(), config.pq.mode());
            let read = self.readers.run(move || ServerTls::load(&tls, pq)).await;
            match read.map_err(TransportError::Io)? {
                Ok(server) => break server,
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => sleep(RETRY_INTERVAL).await,
            }
        };
        self.report_expiry(&server);
        let live = self.server.get_or_init(|| Reloadable::new(server)).clone();
        self.report_crls();
        Ok(live)
    }

    /// Returns the client side. The first call blocks on files.
    fn client(&self) -> Result<Reloadable<ClientTls>, TransportError> {
        if let Some(live) = self.client.get() {
            return Ok(live.clone());
        }
        // Held while files are read, so that a reload comes before or after.
        let settings = self.settings();
        let client = ClientTls::load(&settings.client, settings.pq)?;
        let live = self.client.get_or_init(|| Reloadable::new(client));
        self.report_crls();
        Ok(live.clone())
    }

    /// Reads the files of the loaded sides, and applies them.
    ///
    /// Applies the settings too. A failure changes nothing, except for revocations: authorities,
    /// CRLs and allow-lists apply at both sides even if a certificate of the same reload is broken.
    /// Blocks on files.
    pub(super) fn reload(&self, config: &Config) -> Result<(), TransportError> {
        let mut settings = self.settings();
        let next = TlsSettings::of(config);
        let server = self.server.get().map(|live| (live, live.get()));
        let client = self.client.get().map(|live| (live, live.get()));
        let new_server = server
            .as_ref()
            .map_or(Ok(None), |(_, now)| match self.in_memory {
                true => Ok(None),
                false => now.reconfigured(&next.server, next.pq),
            });
        let new_client = client
            .as_ref()
            .map_or(Ok(None), |(_, now)| now.reconfigured(&next.client, next.pq));
        let (new_server, new_client) = match (new_server, new_client) {
            (Ok(server), Ok(client)) => (server, client),
            (Err(error), _) | (_, Err(error)) => {
                if let Some((live, now)) = server.filter(|_| !self.in_memory) {
                    if let Some(new) = now.reconfigured_trust(&next.server) {
                        live.replace(new);
                    }
                }
                if let Some((live, now)) = client {
                    if let Some(new) = now.reconfigured_trust(&next.client) {
                        live.replace(new);
                    }
                }
                self.report_crls();
                return Err(error);
            }
        };
        if let (Some((live, _)), Some(new)) = (server, new_server) {
            self.report_expiry(&new);
            live.replace(new);
        }
        if let (Some((live, _)), Some(new)) = (client, new_client) {
            live.replace(new);
        }
        self.report_crls();
        *settings = next;
        Ok(())
    }

    /// Checks the files of the loaded sides. Never resolves.
    pub(super) async fn watch_certificates(self: &Arc<Self>) -> Infallible {
        // Each accept loop calls this: one of them checks.
        let _only = self.watching.lock().await;
        let is_used = || self.server.get().is_some() || self.client.get().is_some();
        if is_used() {
            // While the system can still create a thread; on failure, each check tries again.
            let _ = self.readers.start();
        }
        loop {
            sleep(CHECK_INTERVAL).await;
            if is_used() {
                let tls = Arc::clone(self);
                // Without a thread, the next check tries again.
                let _ = self.readers.run(move || tls.check_files()).await;
            }
        }
    }

    /// Checks the files once.
    ///
    /// A failure is reported when the next check meets it too: the files of a pair are replaced one
    /// after the other.
    fn check_files(&self) {
        let server = self.server.get().map_or(Ok(false), ServerTls::refresh);
        let client = self.client.get().map_or(Ok(false), ClientTls::refresh);
        let changed = matches!(server, Ok(true)) || matches!(client, Ok(true));
        self.renewed(matches!(server, Ok(true)));
        // Revocations apply even if the check fails.
        self.report_crls();
        let failed = server.and(client).err().map(|error| error.to_string());
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if changed {
            self.report(Ok(()));
        }
        *failure = failed.map(|text| match failure.take() {
            Some((before, checks)) if before == text => (text, checks.saturating_add(1)),
            _ => (text, 1),
        });
        if let Some((text, 2)) = &*failure {
            self.report(Err(text));
        }
    }

    /// Reports the expiry of a renewed certificate.
    fn renewed(&self, renewed: bool) {
        if let Some(live) = self.server.get().filter(|_| renewed) {
            self.report_expiry(&live.get());
        }
    }

    fn report_expiry(&self, server: &ServerTls) {
        if let Some(not_after) = server.not_after() {
            self.observer.certificate_expiry(not_after);
        }
    }

    /// Reports when the first CRL of both sides expires.
    fn report_crls(&self) {
        let server = self
            .server
            .get()
            .and_then(|live| live.get().crl_next_update());
        let client = self
            .client
            .get()
            .and_then(|live| live.get().crl_next_update());
        self.observer
            .crl_expiry(server.into_iter().chain(client).min());
    }

    fn report(&self, result: Result<(), &dyn Display>) {
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
                "tls files cannot be used: the previous ones stay in use, except for revocations",
            ),
        }
    }

    fn settings(&self) -> MutexGuard<'_, TlsSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the client side, loaded on a thread of its own.
pub(super) async fn client(tls: &Arc<TlsState>) -> Result<Reloadable<ClientTls>, TransportError> {
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
