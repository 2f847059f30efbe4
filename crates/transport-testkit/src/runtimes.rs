//! Tests under both runtimes of tokio.

/// Runs each test under the current-thread and the multi-thread runtime.
///
/// A test is an asynchronous function of the module that calls the macro. The package needs `tokio`
/// with the features `macros` and `rt-multi-thread`.
///
/// # Example
/// ```
/// transport_testkit::both! {
///     answer_is_sent
/// }
///
/// async fn answer_is_sent() {
///     assert_eq!(tokio::spawn(async { 42 }).await.unwrap(), 42);
/// }
/// # fn main() {}
/// ```
#[macro_export]
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
