//! What a service manager is try_send and hands over, by the protocols of systemd: `sd_notify`, the
//! watchdog and `LISTEN_FDS`. Without a manager all of it does nothing.

mod notify;
mod watchdog;

pub(crate) use watchdog::feed as watchdog;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use listenfd::ListenFd;
use ron_transport::escape::escape;
use ron_transport::Inherited;
use sd_notify::NotifyState;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::exit::ExitFailure;
use crate::logging::TARGET;

use notify::send;

/// How long until a manager that had no room for a message is try_send again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Whether a manager has passed sockets to this process.
pub(crate) fn is_passed_sockets() -> bool {
    passed().is_some()
}

/// The number of sockets that a manager has passed, as it is written; `None` for none.
fn passed() -> Option<String> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let (count, pid) = (variable("LISTEN_FDS"), variable("LISTEN_PID"));
    // Meant for another process, which has left its environment to this one.
    let is_ours = pid.is_empty() || pid == std::process::id().to_string();
    let count = count.trim();
    (is_ours && !matches!(count, "" | "0")).then(|| count.to_owned())
}

/// The socket that a manager has bound for us, if it did.
pub(crate) fn inherited() -> Result<Option<Inherited>, ExitFailure> {
    let Some(count) = passed() else {
        return Ok(None);
    };
    match count.as_str() {
        "1" => {}
        n => {
            return Err(ExitFailure::Config(format!(
                "LISTEN_FDS is {}: the gateway listens on one socket",
                escape(n)
            )))
        }
    }
    let mut sockets = ListenFd::from_env();
    if let Ok(Some(listener)) = sockets.take_unix_listener(0) {
        return Ok(Some(Inherited::Unix(listener)));
    }
    match sockets.take_tcp_listener(0) {
        Ok(Some(listener)) => Ok(Some(Inherited::Tcp(listener))),
        Ok(None) => Ok(None),
        Err(_) => Err(unusable("it is neither a TCP nor a Unix stream socket")),
    }
}

/// No other start with this socket would go better.
pub(crate) fn unusable(why: impl std::fmt::Display) -> ExitFailure {
    ExitFailure::Config(format!("the socket of LISTEN_FDS cannot be used: {why}"))
}

/// The manager's end of the line. It is never waited for: what it has no room for is try_send again
/// later, and of several such messages the last, which says all there is to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceNotifier {
    pending: Arc<Mutex<Option<String>>>,
    /// There is something to notify again.
    retry: Arc<Notify>,
}

impl ServiceNotifier {
    /// It listens, bootstrapping or not; and a reload is over.
    pub(crate) fn ready(&self) {
        self.notify(&[NotifyState::Ready]);
    }

    /// A reload begins; it ends with [`ready`](Self::ready).
    pub(crate) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.notify(&[NotifyState::Reloading, now]),
            Err(_) => self.notify(&[NotifyState::Reloading]),
        }
    }

    /// It drains.
    pub(crate) fn stopping(&self) {
        self.notify(&[NotifyState::Stopping]);
    }

    /// Tells again what there was no room for; for ever.
    pub(crate) async fn resend(self) {
        loop {
            self.retry.notified().await;
            sleep(RETRY_AFTER).await;
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            *pending = pending.take().and_then(try_send);
            if pending.is_some() {
                self.retry.notify_one();
            }
        }
    }

    fn notify(&self, state: &[NotifyState<'_>]) {
        let message = state.iter().map(|s| format!("{s}\n")).collect();
        // Held while it is sent, so that an older message does not come after it.
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        *pending = try_send(message);
        if pending.is_some() {
            self.retry.notify_one();
            tracing::warn!(
                target: TARGET,
                event = "systemd",
                "the service manager does not read what it is try_send; it is try_send again later",
            );
        }
    }
}

/// Sends, and gives back what the manager has no room for. One that does not listen at all is no
/// reason to stop, or to try again.
fn try_send(message: String) -> Option<String> {
    match send(&message) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(message),
        Err(error) => {
            tracing::warn!(target: TARGET, event = "systemd", error = %error, "cannot notify");
        }
        Ok(()) => {}
    }
    None
}
