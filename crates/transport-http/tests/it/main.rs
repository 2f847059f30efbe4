//! HTTP servers and clients on the transport.
#![cfg(all(
    feature = "axum",
    feature = "hyper",
    feature = "tonic",
    feature = "tower"
))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

/// Runs each test under both runtimes.
macro_rules! both {
    ($($test:ident)*) => {
        mod current_thread {
            $(#[tokio::test]
            async fn $test() {
                super::$test().await;
            })*
        }
        mod multi_thread {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test().await;
            })*
        }
    };
}

mod app;
mod connector;
mod deadlines;
mod deadlines_h2;
mod drain;
mod drain_native;
mod over;
mod requests;
mod servers;
mod streaming;
mod support;
mod upgrade;
