//! The handoff of jobs to threads. A lost notification would be a job that never runs.

#![allow(clippy::unwrap_used)]

use super::*;

/// Counts jobs that have run.
#[derive(Default)]
struct Ran(Mutex<u32>, Condvar);

impl Ran {
    fn job(self: &Arc<Self>) -> Job {
        let ran = Arc::clone(self);
        Box::new(move || {
            *ran.0.lock().unwrap() += 1;
            ran.1.notify_one();
        })
    }

    fn wait_for(&self, count: u32) {
        let mut ran = self.0.lock().unwrap();
        while *ran < count {
            ran = self.1.wait(ran).unwrap();
        }
    }
}

fn pool(max: usize) -> Arc<ThreadPool> {
    Arc::new(ThreadPool {
        name: "model",
        max,
        state: Mutex::default(),
        changed: Condvar::new(),
    })
}

/// Pushes a job from each of two threads; both run.
fn both_jobs_run(max: usize, warm: bool) {
    crate::loom_models::check_bounded(2, move || {
        let (pool, ran) = (pool(max), Arc::new(Ran::default()));
        if warm {
            pool.spawn(&mut pool.lock()).unwrap();
        }
        let other = {
            let (pool, job) = (Arc::clone(&pool), ran.job());
            thread::spawn(move || pool.push(job).unwrap())
        };
        pool.push(ran.job()).unwrap();
        other.join().unwrap();
        ran.wait_for(2);
        pool.lock().closed = true;
        pool.changed.notify_all();
    });
}

#[test]
fn jobs_run_on_one_thread() {
    both_jobs_run(1, false);
}

#[test]
fn jobs_run_on_waiting_thread() {
    both_jobs_run(1, true);
}

#[test]
fn jobs_run_on_two_threads() {
    both_jobs_run(2, false);
}
