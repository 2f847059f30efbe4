//! What a service manager is told and hands over, by the protocols of systemd: `sd_notify`, the
//! watchdog and `LISTEN_FDS`. Without a manager all of it does nothing.

use std::time::Duration;

use listenfd::ListenFd;
use ron_transport::Inherited;
use sd_notify::NotifyState;
use tokio::time::sleep;

use crate::exit::Failure;
use crate::logging::TARGET;

/// The socket that a manager has bound for us, if it did.
pub(crate) fn inherited() -> Result<Option<Inherited>, Failure> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 => return Ok(None),
        1 => {}
        n => {
            return Err(Failure::Config(format!(
                "LISTEN_FDS is {n}: the gateway listens on one socket"
            )))
        }
    }
    if let Ok(Some(listener)) = sockets.take_unix_listener(0) {
        return Ok(Some(Inherited::Unix(listener)));
    }
    match sockets.take_tcp_listener(0) {
        Ok(Some(listener)) => Ok(Some(Inherited::Tcp(listener))),
        Ok(None) => Ok(None),
        Err(error) => Err(Failure::Config(format!(
            "the socket of LISTEN_FDS cannot be used: {error}"
        ))),
    }
}

/// It listens, bootstrapping or not.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Runs a reload between its beginning and its end.
pub(crate) fn reloading(reload: impl FnOnce()) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
    reload();
    tell(&[NotifyState::Ready]);
}

/// It drains.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog twice in its interval that timers fire and tasks run; for ever.
pub(crate) async fn watchdog() {
    let mut usec = 0;
    if !sd_notify::watchdog_enabled(false, &mut usec) {
        return std::future::pending().await;
    }
    loop {
        tell(&[NotifyState::Watchdog]);
        sleep(Duration::from_micros(usec) / 2).await;
    }
}

/// A manager that does not listen is no reason to stop.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::warn!(target: TARGET, event = "systemd", error = %error, "cannot notify");
    }
}
