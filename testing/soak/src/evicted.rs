//! A crowd of idle peers, more than a gateway has places.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::load::Load;
use crate::peer::Peer;
use crate::sites::Site;

/// Idle peers, and the pause between two.
///
/// Within `evict_after`, fewer arrive than there are places: each newcomer finds one to evict.
const CROWD: usize = 60;
const EVERY: Duration = Duration::from_millis(250);
const BYTES: usize = 64;

/// Opens connections that idle after one echo, until the load ends.
pub(crate) fn run(load: &Load, site: &Site) {
    let crowd = Mutex::new(VecDeque::new());
    load.again(site.name, EVERY, |n| {
        let open = || {
            let mut peer = Peer::open(&load.tls, site, n)?;
            peer.exchange(site, BYTES)?;
            Ok::<_, std::io::Error>(peer)
        };
        let peer = open().map_err(|e| format!("idle connection {n}: {e}"))?;
        load.count(BYTES);
        let mut crowd = crowd.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.push_back(peer);
        if crowd.len() > CROWD {
            crowd.pop_front();
        }
        Ok(())
    });
}
