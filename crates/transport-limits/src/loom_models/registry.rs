//! The search for an idle connection, beside connections that open and close.

use std::sync::Arc;

use loom::thread;
use transport_core::{Backend, ConnInfo, Direction, NoObserver};

use super::check_bounded;
use crate::clock::SECOND;
use crate::conn_state::ConnState;
use crate::limiter::Limiter;
use crate::registry::{Registration, Registry};
use crate::settings::Limits;

const LATER: u64 = 100 * SECOND;

/// Adds an accepted connection that owes an answer.
///
/// A search moves its entry.
fn busy(limiter: &Limiter, id: u64) -> (Arc<ConnState>, Registration) {
    let core = limiter.core();
    let mut permit = limiter
        .admit(Backend::Uds, transport_core::PeerAddr::Uid(1), 0)
        .unwrap();
    let peer = permit.established();
    let mut info = ConnInfo::new(Backend::Uds, None);
    info.id = id;
    let info = Arc::new(info);
    let conn = ConnState::new(info, Arc::clone(core), core.settings(), peer, 0);
    conn.activity.moved(Direction::In, 1);
    let conn = Arc::new(conn);
    limiter.registry().enter(&conn);
    let registration = Registration::new(limiter.registry(), &conn);
    (conn, registration)
}

fn limiter() -> Limiter {
    Limiter::new(&Limits::default(), Arc::new(NoObserver)).unwrap()
}

fn search(registry: &Registry) -> Option<Arc<ConnState>> {
    registry.longest_idle(LATER, 0)
}

/// A connection that closes during two searches leaves no entry behind.
#[test]
fn closed_connection_leaves_no_entry() {
    check_bounded(2, || {
        let limiter = limiter();
        let (_conn, registration) = busy(&limiter, 1);
        let closing = thread::spawn(move || drop(registration));
        let searching = {
            let registry = Arc::clone(limiter.registry());
            thread::spawn(move || assert!(search(&registry).is_none()))
        };
        assert!(search(limiter.registry()).is_none(), "an answer is owed");
        closing.join().unwrap();
        searching.join().unwrap();
        assert_eq!(limiter.open(), 0);
    });
}

/// A connection stays registered while a search moves its entry.
#[test]
fn search_keeps_other_connections() {
    check_bounded(2, || {
        let limiter = limiter();
        let (conn, _open) = busy(&limiter, 1);
        let (_other, registration) = busy(&limiter, 2);
        let closing = thread::spawn(move || drop(registration));
        search(limiter.registry());
        closing.join().unwrap();
        assert_eq!(limiter.open(), 1);
        let left = limiter.registry().find(conn.id());
        assert!(left.is_some_and(|left| Arc::ptr_eq(&left, &conn)));
    });
}

/// A connection that opens beside the close of its transport is cancelled.
#[test]
fn connection_opened_beside_close_cancelled() {
    check_bounded(3, || {
        let limiter = limiter();
        let registry = Arc::clone(limiter.registry());
        let closing = thread::spawn(move || {
            registry.close();
            registry.for_each(|conn| conn.end_with(&transport_core::TransportError::Cancelled));
        });
        let (conn, _open) = busy(&limiter, 1);
        closing.join().unwrap();
        assert!(conn.ending().is_some());
    });
}
