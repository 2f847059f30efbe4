//! Creation of the runtime.
//!
//! It causes no panic on a system with few resources.

use std::fs::File;
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::time::SystemTime;

use tokio::runtime::{Builder, Runtime};

use crate::exit::ExitFailure;
use crate::process;

/// Descriptors that must be free at the start.
///
/// They are for the runtime, the signals, the listeners, files that are read, and at least one
/// connection.
const MIN_DESCRIPTORS: usize = 14;
/// Descriptors that must be free when a further thread gets its runtime.
///
/// They are for that runtime, the listeners, and at least one connection.
const MIN_FOR_THREAD: usize = 8;

/// Error of a start without a thread.
pub(crate) const NO_THREAD: &str =
    "cannot start: the system refuses to create a thread; check RLIMIT_NPROC \
    (`ulimit -u`) and the pids limit of the container (TasksMax=)";

/// Checks the required resources and builds the runtime.
pub(crate) fn build(builder: Builder) -> Result<Runtime, ExitFailure> {
    clock()?;
    build_with(builder, MIN_DESCRIPTORS)
}

/// Builds the runtime of a further thread.
pub(crate) fn build_for_thread() -> Result<Runtime, ExitFailure> {
    build_with(Builder::new_current_thread(), MIN_FOR_THREAD)
}

fn build_with(mut builder: Builder, free: usize) -> Result<Runtime, ExitFailure> {
    descriptors(free)?;
    builder.enable_all();
    quietly(move || builder.build())
        .ok_or_else(|| ExitFailure::Runtime(NO_THREAD.to_owned()))?
        .map_err(|error| ExitFailure::runtime("cannot start", &error))
}

/// Opens as many descriptors as the start needs.
///
/// Opening them counts those inherited from the parent process too.
fn descriptors(free: usize) -> Result<(), ExitFailure> {
    let opened: Result<Vec<File>, _> = (0..free).map(|_| File::open("/dev/null")).collect();
    match opened {
        Err(error) if is_out_of_descriptors(&error) => {
            let limit = process::max_fd().map_or("none".to_owned(), |limit| limit.to_string());
            Err(ExitFailure::Runtime(format!(
                "cannot start: too few file descriptors: the limit is {limit}, and at least \
                 {free} must be free; raise it (LimitNOFILE=, `ulimit -n`)"
            )))
        }
        // Without /dev/null the check is skipped.
        _ => Ok(()),
    }
}

/// Returns whether an error is EMFILE (process) or ENFILE (system).
fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE]
        .map(|e| Some(e.raw_os_error()))
        .contains(&number)
}

/// Checks that the clock is after 1970.
///
/// TLS, metrics and the log require it.
fn clock() -> Result<(), ExitFailure> {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Ok(()),
        Err(_) => Err(ExitFailure::Runtime(
            "cannot start: the system's clock is before 1970; set it".to_owned(),
        )),
    }
}

/// Runs a function; `None` after a panic, which is not printed.
fn quietly<T>(run: impl FnOnce() -> T) -> Option<T> {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let returned = catch_unwind(AssertUnwindSafe(run));
    set_hook(hook);
    returned.ok()
}
