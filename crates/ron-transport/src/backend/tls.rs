//! The TLS state of a transport.
//!
//! It is loaded at its first use, and replaced by reloads and changed files.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{sleep, timeout, Instant};
use tracing::{Instrument, Span};
use transport_core::{Observer, Op, Reloadable, TransportError};
use transport_limits::Threads;
use transport_tls::{ClientTls, PqMode, ServerTls, TlsClientConfig, TlsConfig};

use crate::config::Config;
use crate::credentials::check_pq;

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
    /// Only a restart changes it.
    pq: PqMode,
    in_memory: InMemory,
    server: OnceLock<Reloadable<ServerTls>>,
    client: OnceLock<Reloadable<ClientTls>>,
    settings: Mutex<TlsSettings>,
    readers: Threads,
    /// Has the name of the transport, for log events below this state.
    span: Span,
    /// Held while the expiry of the certificate is reported.
    reporting: Mutex<()>,
    /// The failure of the last check, and its repetitions.
    ///
    /// The number counts consecutive checks with this failure.
    failure: Mutex<Option<(String, u32)>>,
    /// Held by the task that checks the files.
    watching: tokio::sync::Mutex<()>,
}

/// The sides that the embedder passed in memory. A reload does not replace them.
///
/// A flag is set before its side is replaced, and a reload replaces only what it has seen. So a
/// reload that is under way does not undo a replacement.
struct InMemory {
    server: AtomicBool,
    client: AtomicBool,
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
        (server, client): (Option<ServerTls>, Option<ClientTls>),
        observer: &Arc<dyn Observer>,
        span: Span,
    ) -> Self {
        let tls = Self {
            observer: Arc::clone(observer),
            pq: config.pq.mode(),
            in_memory: InMemory {
                server: AtomicBool::new(server.is_some()),
                client: AtomicBool::new(client.is_some()),
            },
            server: OnceLock::new(),
            client: OnceLock::new(),
            settings: Mutex::new(TlsSettings::of(config)),
            readers: Threads::new("tls-files", MAX_READERS),
            span,
            reporting: Mutex::default(),
            failure: Mutex::default(),
            watching: tokio::sync::Mutex::default(),
        };
        if let Some(server) = server {
            let _ = tls.server.set(Reloadable::new(server));
            tls.report_expiry();
        }
        if let Some(client) = client {
            let _ = tls.client.set(Reloadable::new(client));
        }
        tls.report_crls();
        tls
    }

    /// Returns the server side. The first call reads the files, and retries for [`SETTLE_TIMEOUT`].
    pub(crate) async fn server(
        &self,
        config: &Config,
    ) -> Result<Reloadable<ServerTls>, TransportError> {
        if let Some(live) = self.server.get() {
            return Ok(live.clone());
        }
        let until = Instant::now() + SETTLE_TIMEOUT;
        let server = loop {
            let (tls, pq) = (config.tls.clone(), config.pq.mode());
            let read = self.readers.run(move || ServerTls::load(&tls, pq));
            let read = read.instrument(self.span.clone()).await;
            match read.map_err(TransportError::Io)? {
                Ok(server) => break server,
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => sleep(RETRY_INTERVAL).await,
            }
        };
        let live = self.server.get_or_init(|| Reloadable::new(server)).clone();
        self.report_expiry();
        self.report_crls();
        Ok(live)
    }

    /// Replaces the server side by one from memory.
    pub(crate) fn replace_server(&self, tls: ServerTls) -> Result<(), TransportError> {
        self.check_pq(tls.pq_mode())?;
        self.in_memory.server.store(true, Ordering::SeqCst);
        replace(&self.server, tls);
        self.replaced("server");
        Ok(())
    }

    /// Replaces the client side by one from memory.
    pub(crate) fn replace_client(&self, tls: ClientTls) -> Result<(), TransportError> {
        self.check_pq(tls.pq_mode())?;
        self.in_memory.client.store(true, Ordering::SeqCst);
        replace(&self.client, tls);
        self.replaced("client");
        Ok(())
    }

    /// Fails for groups that `pq.mode = required` excludes.
    pub(crate) fn check_pq(&self, offered: PqMode) -> Result<(), TransportError> {
        check_pq(self.pq, offered)
    }

    fn replaced(&self, side: &'static str) {
        let _named = self.span.enter();
        self.report_expiry();
        self.report_crls();
        self.observer.reloaded(true);
        tracing::info!(
            target: "ron_transport",
            event = "reload",
            result = "ok",
            "the tls configuration of the {side} side was replaced from memory",
        );
    }

    /// Returns the client side. The first call blocks on files.
    fn client(&self) -> Result<Reloadable<ClientTls>, TransportError> {
        if let Some(live) = self.client.get() {
            return Ok(live.clone());
        }
        let _named = self.span.enter();
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
        let _named = self.span.enter();
        let mut settings = self.settings();
        let next = TlsSettings::of(config);
        let server = self.server.get().map(|live| (live, live.get()));
        let client = self.client.get().map(|live| (live, live.get()));
        let in_memory = (
            self.in_memory.server.load(Ordering::SeqCst),
            self.in_memory.client.load(Ordering::SeqCst),
        );
        let new_server = server
            .as_ref()
            .map_or(Ok(None), |(_, now)| match in_memory.0 {
                true => Ok(None),
                false => now.reconfigured(&next.server, next.pq),
            });
        let new_client = client
            .as_ref()
            .map_or(Ok(None), |(_, now)| match in_memory.1 {
                true => Ok(None),
                false => now.reconfigured(&next.client, next.pq),
            });
        let (new_server, new_client) = match (new_server, new_client) {
            (Ok(server), Ok(client)) => (server, client),
            (Err(error), _) | (_, Err(error)) => {
                if let Some((live, now)) = server.filter(|_| !in_memory.0) {
                    if let Some(new) = now.reconfigured_trust(&next.server) {
                        live.replace_if_current(&now, new);
                    }
                }
                if let Some((live, now)) = client.filter(|_| !in_memory.1) {
                    if let Some(new) = now.reconfigured_trust(&next.client) {
                        live.replace_if_current(&now, new);
                    }
                }
                self.report_crls();
                return Err(error);
            }
        };
        if let (Some((live, now)), Some(new)) = (server, new_server) {
            live.replace_if_current(&now, new);
            self.report_expiry();
        }
        if let (Some((live, now)), Some(new)) = (client, new_client) {
            live.replace_if_current(&now, new);
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
        let _named = self.span.enter();
        let server = self.server.get().map_or(Ok(false), ServerTls::refresh);
        let client = self.client.get().map_or(Ok(false), ClientTls::refresh);
        let changed = matches!(server, Ok(true)) || matches!(client, Ok(true));
        if matches!(server, Ok(true)) {
            self.report_expiry();
        }
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

    /// Reports the expiry of the certificate in force.
    fn report_expiry(&self) {
        // Held over both steps, so that the last report is of the newest certificate.
        let _one_at_a_time = self.reporting.lock();
        if let Some(live) = self.server.get() {
            // 0 in the metric for an unknown one: it must not show that of the certificate before.
            let not_after = live.get().not_after().unwrap_or(SystemTime::UNIX_EPOCH);
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
        let _named = self.span.enter();
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

/// Replaces a side, loaded or not.
fn replace<T>(side: &OnceLock<Reloadable<T>>, new: T) {
    if let Err(new) = side.set(Reloadable::new(new)) {
        if let Some(live) = side.get() {
            live.replace(new.get());
        }
    }
}

/// Returns the client side, loaded on a thread of its own.
pub(crate) async fn client(tls: &Arc<TlsState>) -> Result<Reloadable<ClientTls>, TransportError> {
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
