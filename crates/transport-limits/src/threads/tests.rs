//! Sharing, bounds and end of the threads.

use std::sync::mpsc::sync_channel;

use super::*;

/// Waits until a thread is idle. It is shortly after it has sent a result.
async fn idle(threads: &Threads) {
    while threads.0.pool.lock().idle == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn jobs_share_first_thread() {
    let threads = Threads::new("test", 4);
    threads.start().unwrap();
    threads.start().unwrap();
    let id = || thread::current().id();
    idle(&threads).await;
    let first = threads.run(id).await.unwrap();
    idle(&threads).await;
    assert_eq!(threads.run(id).await.unwrap(), first);
    assert_ne!(first, id());
    assert_eq!(threads.0.pool.lock().threads, 1);
}

#[tokio::test]
async fn panic_is_error_and_keeps_thread() {
    let threads = Threads::new("test", 1);
    let panicked = threads.run(|| panic!("a test panics")).await;
    let _: io::Error = panicked.map(|never: ()| never).unwrap_err();
    assert_eq!(threads.run(|| 7).await.unwrap(), 7);
    assert_eq!(threads.free(), 1);
}

#[tokio::test]
async fn threads_bounded_and_started_on_demand() {
    let threads = Threads::new("test", 2);
    let (release, gate) = sync_channel::<()>(0);
    let blocked = threads.run(move || gate.recv());
    tokio::pin!(blocked);
    // Begun, and blocked.
    assert!(poll_once(blocked.as_mut()).await.is_none());
    assert_eq!(threads.run(|| 1).await.unwrap(), 1);
    assert_eq!(threads.0.pool.lock().threads, 2);
    assert_eq!(threads.free(), 1);
    drop(release);
    blocked.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn dropped_waiting_job_never_runs() {
    let threads = Threads::new("test", 1);
    let (release, gate) = sync_channel::<()>(0);
    let blocked = threads.run(move || gate.recv());
    tokio::pin!(blocked);
    assert!(poll_once(blocked.as_mut()).await.is_none());
    let (ran, has_run) = sync_channel(1);
    {
        let waiting = threads.run(move || ran.send(()));
        tokio::pin!(waiting);
        assert!(poll_once(waiting.as_mut()).await.is_none());
    }
    drop(release);
    blocked.await.unwrap().unwrap_err();
    threads.run(|| ()).await.unwrap();
    has_run.try_recv().unwrap_err();
}

#[tokio::test]
async fn threads_end_with_last_clone() {
    let threads = Threads::new("test", 1);
    threads.start().unwrap();
    let pool = Arc::clone(&threads.0.pool);
    drop(threads.clone());
    assert_eq!(threads.run(|| 1).await.unwrap(), 1);
    drop(threads);
    while pool.lock().threads > 0 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future once.
async fn poll_once<F: std::future::Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut future).poll(context);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
