//! The protocols of systemd: `sd_notify`, watchdog and `LISTEN_FDS`.
//!
//! Without a service manager they do nothing.

mod notify;
mod watchdog;

pub(crate) use watchdog::feed as watchdog;

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use listenfd::ListenFd;
use ron_transport::escape::escape;
use ron_transport::Inherited;
use sd_notify::NotifyState;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::exit::ExitFailure;
use crate::listener::ListenerPlan;
use crate::logging::TARGET;

use notify::send;

/// Delay before a message is resent to a busy manager.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Returns whether a manager passed sockets to this process.
pub(crate) fn is_passed_sockets() -> bool {
    passed().is_some()
}

/// Returns the number of passed sockets as written, and their names.
///
/// `None` for no socket. Read once: taking the sockets removes the variables.
fn passed() -> Option<&'static (String, Vec<String>)> {
    static PASSED: OnceLock<Option<(String, Vec<String>)>> = OnceLock::new();
    let read = || {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let (count, pid) = (variable("LISTEN_FDS"), variable("LISTEN_PID"));
        // Another `LISTEN_PID` means an environment inherited from another process.
        let is_ours = pid.is_empty() || pid == std::process::id().to_string();
        let count = count.trim();
        let names = variable("LISTEN_FDNAMES");
        let names = names.split(':').map(str::to_owned).collect();
        (is_ours && !matches!(count, "" | "0")).then(|| (count.to_owned(), names))
    };
    PASSED.get_or_init(read).as_ref()
}

/// Returns the names of the passed sockets (`LISTEN_FDNAMES`).
pub(crate) fn passed_names() -> &'static [String] {
    passed().map_or(&[], |(_, names)| names)
}

/// Returns the sockets for each listener; none without passed sockets.
///
/// Sockets of named listeners have the names of `LISTEN_FDNAMES`; a listener may have several. A
/// listener without a name takes all sockets. A single socket for a single listener may have any
/// name.
pub(crate) fn inherited(plans: &[ListenerPlan]) -> Result<Vec<Vec<Inherited>>, ExitFailure> {
    let mut inherited: Vec<Vec<Inherited>> = plans.iter().map(|_| Vec::new()).collect();
    let Some((count, passed)) = passed() else {
        return Ok(inherited);
    };
    let names: Vec<_> = plans
        .iter()
        .filter_map(|plan| plan.name.as_deref())
        .collect();
    let is_single = names.is_empty() || count == "1" && plans.len() == 1;
    let mut sockets = ListenFd::from_env();
    if sockets.len() == 0 {
        return Err(ExitFailure::Config(format!(
            "LISTEN_FDS is {}: it must be the number of passed sockets",
            escape(count)
        )));
    }
    for at in 0..sockets.len() {
        let name = passed.get(at).map_or("", String::as_str);
        let index = match names.iter().position(|known| *known == name) {
            Some(index) => index,
            None if is_single => 0,
            None => {
                return Err(ExitFailure::Config(format!(
                    "LISTEN_FDNAMES names a socket {}, which is no listener: set \
                     FileDescriptorName= to one of {}",
                    escape(name).quoted(),
                    names.join(", ")
                )))
            }
        };
        inherited[index].extend(take(&mut sockets, at)?);
    }
    Ok(inherited)
}

fn take(sockets: &mut ListenFd, at: usize) -> Result<Option<Inherited>, ExitFailure> {
    if let Ok(Some(listener)) = sockets.take_unix_listener(at) {
        return Ok(Some(Inherited::Unix(listener)));
    }
    match sockets.take_tcp_listener(at) {
        Ok(Some(listener)) => Ok(Some(Inherited::Tcp(listener))),
        Ok(None) => Ok(None),
        Err(_) => Err(unusable("it is neither a TCP nor a Unix stream socket")),
    }
}

/// Returns the error of an unusable socket.
///
/// It is a configuration error: a restart with the same socket fails too.
pub(crate) fn unusable(why: impl std::fmt::Display) -> ExitFailure {
    ExitFailure::Config(format!("the socket of LISTEN_FDS cannot be used: {why}"))
}

/// Sends state changes to the service manager, without blocking.
///
/// A message for which the manager has no room is resent later. Of several such messages only the
/// last is kept, which supersedes the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceNotifier {
    pending: Arc<Mutex<Option<String>>>,
    /// Signalled when a message is pending.
    retry: Arc<Notify>,
}

impl ServiceNotifier {
    /// Reports that the service listens, or that a reload ended.
    pub(crate) fn ready(&self) {
        self.notify(&[NotifyState::Ready]);
    }

    /// Reports a reload, which [`ready`](Self::ready) ends.
    pub(crate) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.notify(&[NotifyState::Reloading, now]),
            Err(_) => self.notify(&[NotifyState::Reloading]),
        }
    }

    /// Reports the drain.
    pub(crate) fn stopping(&self) {
        self.notify(&[NotifyState::Stopping]);
    }

    /// Resends pending messages, indefinitely.
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
        // Hold the lock while sending, so that no older message follows.
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        *pending = try_send(message);
        if pending.is_some() {
            self.retry.notify_one();
            tracing::warn!(
                target: TARGET,
                event = "systemd",
                "the service manager does not read its socket; the message is resent later",
            );
        }
    }
}

/// Sends a message; returns it if the manager has no room.
///
/// An unreachable manager is logged and not retried.
fn try_send(message: String) -> Option<String> {
    match send(&message) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(message),
        Err(error) => {
            tracing::warn!(target: TARGET, event = "systemd", error = %error, "cannot notify the service manager");
        }
        Ok(()) => {}
    }
    None
}
