//! Signals of the process. None of them ends it without a drain.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::Signal as Number;
use tokio::signal::unix::{signal, Signal, SignalKind};

/// The request that a signal carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// To stop; the signal's name.
    Stop(&'static str),
    /// To load the configuration anew.
    Reload,
    /// Nothing: by default it would end the process at once. The signal's name.
    Nothing(&'static str),
}

/// Signals that the service answers.
const ANSWERED: &[(Number, Told)] = &[
    (Number::TERM, Told::Stop("SIGTERM")),
    (Number::INT, Told::Stop("SIGINT")),
    (Number::QUIT, Told::Stop("SIGQUIT")),
    // The soft limit of CPU time is reached; at the hard limit the kernel kills.
    (Number::XCPU, Told::Stop("SIGXCPU")),
    (Number::HUP, Told::Reload),
];

/// Signals that mean nothing here and kill by default.
const IGNORED: &[(Number, Told)] = &[
    (Number::USR1, Told::Nothing("SIGUSR1")),
    (Number::USR2, Told::Nothing("SIGUSR2")),
    (Number::ALARM, Told::Nothing("SIGALRM")),
    (Number::VTALARM, Told::Nothing("SIGVTALRM")),
    (Number::PROF, Told::Nothing("SIGPROF")),
    (Number::IO, Told::Nothing("SIGIO")),
    #[cfg(target_os = "linux")]
    (Number::POWER, Told::Nothing("SIGPWR")),
    #[cfg(target_os = "linux")]
    (Number::STKFLT, Told::Nothing("SIGSTKFLT")),
];

/// Real-time signals, which kill by default too. The numbers below are the C library's own.
#[cfg(target_os = "linux")]
const REAL_TIME: std::ops::RangeInclusive<i32> = 35..=64;

/// The signals of this process, from now on.
pub(crate) struct Signals(Vec<(Signal, Told)>);

impl Signals {
    /// Takes them over from the system's defaults.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let mut all = Vec::new();
        for &(number, told) in ANSWERED {
            all.push((signal(SignalKind::from_raw(number.as_raw()))?, told));
        }
        // A write beyond the limit of file size then fails with EFBIG, and the handler stays. The
        // signal is not reported: a log line about it may be what causes it.
        let _ = signal(SignalKind::from_raw(Number::XFSZ.as_raw()));
        for &(number, told) in IGNORED {
            let signal = signal(SignalKind::from_raw(number.as_raw()));
            all.extend(signal.map(|signal| (signal, told)));
        }
        #[cfg(target_os = "linux")]
        for number in REAL_TIME {
            let signal = signal(SignalKind::from_raw(number));
            all.extend(signal.map(|signal| (signal, Told::Nothing("a real-time signal"))));
        }
        Ok(Self(all))
    }

    /// Waits for the next one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Told {
        poll_fn(|context| {
            for (signal, told) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*told);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for a signal to stop, and notes a request to reload. Cancel-safe.
    pub(crate) async fn stop(&mut self, reload: &mut bool) -> &'static str {
        loop {
            match self.next().await {
                Told::Stop(name) => return name,
                Told::Reload => *reload = true,
                Told::Nothing(_) => {}
            }
        }
    }
}
