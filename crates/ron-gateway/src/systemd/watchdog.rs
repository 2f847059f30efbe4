//! The watchdog of the service manager: `WATCHDOG_USEC` and `WATCHDOG_PID` as in
//! `sd_watchdog_enabled(3)`.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{interval, MissedTickBehavior};

use super::notify::send;
use crate::logging::TARGET;

/// Feeds the watchdog twice per interval, indefinitely.
///
/// This proves that timers fire and tasks run.
pub(crate) async fn feed() {
    let variable = |name| std::env::var(name).ok();
    let (usec, pid) = (variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
    let own_pid = std::process::id();
    let Some(within) = interval_of(usec.as_deref(), pid.as_deref(), own_pid) else {
        return std::future::pending().await;
    };
    let mut twice = interval((within / 2).max(Duration::from_millis(1)));
    twice.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed = false;
    loop {
        twice.tick().await;
        match send(&format!("{}\n", NotifyState::Watchdog)) {
            // A full queue already holds an unread message.
            Ok(()) => failed = false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if !failed => {
                failed = true;
                tracing::warn!(target: TARGET, event = "systemd", error = %error, "cannot notify the service manager");
            }
            Err(_) => {}
        }
    }
}

/// Returns the interval; `None` if the watchdog is off.
///
/// Without `WATCHDOG_PID`, any process with `WATCHDOG_USEC` is meant (`sd_notify::watchdog_enabled`
/// requires both).
fn interval_of(usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    let usec: u64 = usec?.parse().ok()?;
    let is_ours = match pid {
        Some(pid) => pid.parse() == Ok(own_pid),
        None => true,
    };
    // `u64::MAX` means infinity in systemd.
    (is_ours && usec != 0 && usec != u64::MAX).then(|| Duration::from_micros(usec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchdog_interval_follows_environment() {
        let second = Some(Duration::from_secs(1));
        for (usec, pid, expected) in [
            (Some("1000000"), None, second),
            (Some("1000000"), Some("7"), second),
            (Some("1000000"), Some("8"), None),
            (Some("1000000"), Some(""), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("18446744073709551615"), None, None),
            (Some("soon"), None, None),
            (None, Some("7"), None),
        ] {
            assert_eq!(interval_of(usec, pid, 7), expected, "{usec:?} {pid:?}");
        }
    }
}
