//! A watcher of deadlines, and a half that relies on it.
//!
//! A half that waits after the watcher has ended would have no timer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use loom::future::block_on;
use loom::thread;
use transport_core::{Backend, ConnInfo, Direction, NoObserver, TransportError};

use super::check_bounded;
use crate::conn_state::ConnState;
use crate::limiter::Limiter;
use crate::settings::Limits;

const DEADLINE: u64 = 1_000;

fn conn(id: u64) -> Arc<ConnState> {
    let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver)).unwrap();
    let core = limiter.core();
    let mut info = ConnInfo::new(Backend::Uds, None);
    info.id = id;
    let (info, core) = (Arc::new(info), Arc::clone(core));
    let settings = core.settings();
    Arc::new(ConnState::new(info, core, settings, None, 0))
}

/// Waits without a timer while a watcher evaluates the deadline.
fn waits_for_timer(conn: &ConnState) {
    block_on(poll_fn(|cx| {
        conn.register(Direction::In, cx.waker());
        match DEADLINE >= conn.watched_until() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }));
}

/// Starts a watcher that ends at once.
fn watcher_that_ends(conn: &Arc<ConnState>) -> thread::JoinHandle<()> {
    conn.watched_at(DEADLINE);
    let conn = Arc::clone(conn);
    thread::spawn(move || drop(conn.watch()))
}

#[test]
fn half_arms_timer_after_watcher() {
    loom::model(|| {
        let conn = conn(1);
        let watcher = watcher_that_ends(&conn);
        waits_for_timer(&conn);
        watcher.join().unwrap();
    });
}

/// The watcher of one leg also returns the deadlines of the other.
#[test]
fn other_leg_arms_timer_after_watcher() {
    loom::model(|| {
        let (conn, other) = (conn(1), conn(2));
        conn.pair_with(&other);
        let watcher = watcher_that_ends(&conn);
        waits_for_timer(&other);
        watcher.join().unwrap();
    });
}

/// A half that registers beside the end sees it or is woken.
#[test]
fn end_beside_registration_wakes_half() {
    check_bounded(3, || {
        let conn = conn(1);
        let ending = {
            let conn = Arc::clone(&conn);
            thread::spawn(move || conn.end_with(&TransportError::Cancelled))
        };
        block_on(poll_fn(|cx| {
            conn.register(Direction::In, cx.waker());
            match conn.end() {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        }));
        ending.join().unwrap();
    });
}
