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

type Running = tokio::task::JoinHandle<io::Result<()>>;

/// Begins a job that ends with the drop of the sender.
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
async fn occupy(threads: &Threads) -> (Running, std::sync::mpsc::SyncSender<()>) {
    let (begun, has_begun) = oneshot::channel();
    let (release, gate) = sync_channel::<()>(0);
    let threads = threads.clone();
    let running = tokio::spawn(async move {
        let job = move || {
            begun.send(()).unwrap();
            gate.recv().unwrap_err();
        };
        threads.run(job).await
    });
    has_begun.await.unwrap();
    (running, release)
}

#[allow(clippy::unwrap_used)]
async fn end(occupied: (Running, std::sync::mpsc::SyncSender<()>)) {
    drop(occupied.1);
    occupied.0.await.unwrap().unwrap();
}

/// Returns the threads that are not idle.
fn busy(threads: &Threads) -> usize {
    let state = threads.0.pool.lock();
    state.threads - state.idle
}

async fn all_idle(threads: &Threads) {
    while busy(threads) != 0 {
        tokio::task::yield_now().await;
    }
}

/// Waits until this many threads are left.
async fn left(threads: &Threads, count: usize) {
    while threads.0.pool.lock().threads != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn busy_threads_are_not_idle() {
    let threads = Threads::new("test", 3);
    for _ in 0..3 {
        let first = occupy(&threads).await;
        assert_eq!(busy(&threads), 1);
        let second = occupy(&threads).await;
        assert_eq!(threads.run(|| 7).await.unwrap(), 7);
        end(first).await;
        end(second).await;
        all_idle(&threads).await;
    }
    assert!(threads.0.pool.lock().threads <= 3);
}

/// Jobs of dropped callers wait behind a busy thread, without a place.
#[test]
fn queued_jobs_start_no_thread_over_the_cap() {
    let threads = Threads::new("test", 1);
    let (release, gate) = sync_channel::<()>(0);
    let (done, is_done) = sync_channel(2);
    let last = done.clone();
    let pool = &threads.0.pool;
    pool.push(Box::new(move || done.send(gate.recv().is_err()).unwrap()))
        .unwrap();
    pool.push(Box::new(move || last.send(true).unwrap()))
        .unwrap();
    assert_eq!(pool.lock().threads, 1);
    drop(release);
    assert_eq!([is_done.recv(), is_done.recv()], [Ok(true), Ok(true)]);
}

#[tokio::test]
async fn idle_threads_take_jobs_before_they_end() {
    let threads = Threads::new("test", 2);
    let both = (occupy(&threads).await, occupy(&threads).await);
    end(both.0).await;
    end(both.1).await;
    all_idle(&threads).await;
    let one = occupy(&threads).await;
    assert_eq!(threads.run(|| 7).await.unwrap(), 7);
    assert_eq!(threads.0.pool.lock().threads, 2);
    end(one).await;
}

#[tokio::test]
async fn last_thread_outlives_keep_alive() {
    let threads = Threads::new("test", 3);
    let all = [
        occupy(&threads).await,
        occupy(&threads).await,
        occupy(&threads).await,
    ];
    assert_eq!(threads.0.pool.lock().threads, 3);
    for one in all {
        end(one).await;
    }
    left(&threads, 1).await;
    tokio::time::sleep(2 * KEEP_ALIVE).await;
    assert_eq!(threads.0.pool.lock().threads, 1);
    assert_eq!(threads.run(|| 7).await.unwrap(), 7);
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
