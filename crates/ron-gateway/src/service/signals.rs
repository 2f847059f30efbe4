//! Signals of the process, none of which kills it without a drain.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::Signal as Number;
use tokio::signal::unix::{signal, Signal, SignalKind};

/// The request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalEvent {
    /// Stop; with the name of the signal.
    Stop(&'static str),
    /// Reload the configuration.
    Reload,
    /// No effect, where the default would kill the process; with its name.
    Ignored(&'static str),
}

/// Signals with an effect.
const ANSWERED: &[(Number, SignalEvent)] = &[
    (Number::TERM, SignalEvent::Stop("SIGTERM")),
    (Number::INT, SignalEvent::Stop("SIGINT")),
    (Number::QUIT, SignalEvent::Stop("SIGQUIT")),
    // The soft limit of CPU time; at the hard limit the kernel kills.
    (Number::XCPU, SignalEvent::Stop("SIGXCPU")),
    (Number::HUP, SignalEvent::Reload),
];

/// Signals without effect that kill by default.
const IGNORED: &[(Number, SignalEvent)] = &[
    (Number::USR1, SignalEvent::Ignored("SIGUSR1")),
    (Number::USR2, SignalEvent::Ignored("SIGUSR2")),
    (Number::ALARM, SignalEvent::Ignored("SIGALRM")),
    (Number::VTALARM, SignalEvent::Ignored("SIGVTALRM")),
    (Number::PROF, SignalEvent::Ignored("SIGPROF")),
    (Number::IO, SignalEvent::Ignored("SIGIO")),
    #[cfg(target_os = "linux")]
    (Number::POWER, SignalEvent::Ignored("SIGPWR")),
    #[cfg(target_os = "linux")]
    (Number::STKFLT, SignalEvent::Ignored("SIGSTKFLT")),
];

/// Real-time signals, which kill by default.
///
/// The C library uses the numbers below.
#[cfg(target_os = "linux")]
const REAL_TIME: std::ops::RangeInclusive<i32> = 35..=64;

/// The signals of this process, taken over from the system's defaults.
pub(crate) struct Signals {
    all: Vec<(Signal, SignalEvent)>,
    reload_requested: bool,
}

impl Signals {
    /// Installs handlers in place of the system's defaults.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let mut all = Vec::new();
        for &(number, event) in ANSWERED {
            all.push((signal(SignalKind::from_raw(number.as_raw()))?, event));
        }
        // A write beyond the file size limit then fails with EFBIG. The signal is not reported: a
        // log line about it could cause the next one.
        let _ = signal(SignalKind::from_raw(Number::XFSZ.as_raw()));
        for &(number, event) in IGNORED {
            let signal = signal(SignalKind::from_raw(number.as_raw()));
            all.extend(signal.map(|signal| (signal, event)));
        }
        #[cfg(target_os = "linux")]
        for number in REAL_TIME {
            let signal = signal(SignalKind::from_raw(number));
            all.extend(signal.map(|signal| (signal, SignalEvent::Ignored("a real-time signal"))));
        }
        Ok(Self {
            all,
            reload_requested: false,
        })
    }

    /// Waits for the next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> SignalEvent {
        poll_fn(|context| {
            for (signal, event) in &mut self.all {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*event);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for a signal to stop, and notes a request to reload. Cancel-safe.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            match self.next().await {
                SignalEvent::Stop(name) => return name,
                SignalEvent::Reload => self.reload_requested = true,
                SignalEvent::Ignored(_) => {}
            }
        }
    }

    /// Returns whether [`stop`](Self::stop) noted a request to reload, and clears it.
    pub(crate) fn take_reload(&mut self) -> bool {
        std::mem::take(&mut self.reload_requested)
    }
}
