//! A runtime for one input.

use std::future::Future;

/// Runs a future on a runtime of its own.
///
/// The end of the runtime ends the tasks of the future.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(future),
        Err(why) => panic!("no runtime: {why}"),
    }
}
