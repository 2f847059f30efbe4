//! Property tests: the table against a simple model.

use std::collections::HashMap;

use proptest::prelude::*;
use transport_core::Reason;

use super::*;
use crate::clock::SECOND;

#[derive(Debug, Clone)]
enum Step {
    Enter(u32),
    /// A handshake of this peer ends in success.
    Establish(u32),
    Leave(u32),
    /// A connection of this peer moves bytes.
    Spend(u32, u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..8_u32).prop_map(Step::Enter),
        2 => (0..8_u32).prop_map(Step::Establish),
        3 => (0..8_u32).prop_map(Step::Leave),
        1 => (0..8_u32, 1..5_000_u64).prop_map(|(key, tokens)| Step::Spend(key, tokens)),
        1 => (0..SECOND).prop_map(Step::Wait),
    ]
}

/// A peer in the model.
struct Known {
    conns: usize,
    pending: u64,
    peer: Arc<PeerState>,
}

impl Known {
    fn establish(&mut self) {
        self.pending -= 1;
        self.peer.established();
    }

    /// Ends a connection, a pending one only if no other exists.
    fn leave(&mut self) {
        if self.pending == self.conns as u64 {
            self.establish();
        }
        self.conns -= 1;
    }
}

proptest! {
    #[test]
    fn table_agrees_with_model(
        cap in 0..4_u64,
        pending in 0..4_u64,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let caps = PeerCaps { max_conns: cap, accepts: None, pending };
        let rate = Rate::bytes(1_000, 4_096).unwrap();
        let (mut peers, mut now) = (PeerTable::default(), 0);
        let mut model: HashMap<u32, Known> = HashMap::new();
        for step in steps {
            match step {
                Step::Enter(key) => {
                    let known = model.get(&key);
                    let (conns, under_way) = known.map_or((0, 0), |k| (k.conns, k.pending));
                    let over = cap != 0 && conns as u64 >= cap;
                    match peers.enter(PeerKey::Uid(key), now, caps) {
                        Ok(peer) => {
                            prop_assert!(!over && under_way < pending);
                            if let Some(known) = known {
                                // Connected or not yet full: it must be the same bucket.
                                let kept = conns > 0 || known.peer.full_at() > now;
                                prop_assert!(!kept || Arc::ptr_eq(&known.peer, &peer));
                            }
                            let conns = conns + 1;
                            model.insert(key, Known { conns, pending: under_way + 1, peer });
                        }
                        Err(Reason::PeerLimit) => prop_assert!(over),
                        Err(reason) => {
                            prop_assert_eq!(reason, Reason::HandshakeLimit);
                            prop_assert!(!over && under_way >= pending);
                        }
                    }
                }
                Step::Establish(key) => if let Some(known) = model.get_mut(&key) {
                    if known.pending > 0 {
                        known.establish();
                    }
                },
                Step::Leave(key) => if let Some(known) = model.get_mut(&key) {
                    if known.conns > 0 {
                        known.leave();
                        peers.leave(PeerKey::Uid(key), now);
                    }
                },
                Step::Spend(key, tokens) => if let Some(known) = model.get(&key) {
                    if known.conns > 0 {
                        let _spent = known.peer.buckets[0].bucket.take(now, rate, tokens, 0);
                    }
                },
                Step::Wait(ticks) => now += ticks,
            }
            let connected = model.values().filter(|known| known.conns > 0).count();
            let filling = |known: &&Known| known.conns > 0 || known.peer.full_at() > now;
            let most = model.values().map(|known| known.conns).max().unwrap_or(0);
            prop_assert_eq!(peers.max_conns(), most);
            prop_assert!(peers.tracked() >= model.values().filter(filling).count());
            prop_assert!(peers.tracked() <= model.len() && peers.tracked() >= connected);
        }
        // After the last close, once every bucket is full, a few accepts clear the table.
        for (key, known) in &mut model {
            while known.conns > 0 {
                known.leave();
                peers.leave(PeerKey::Uid(*key), now);
            }
        }
        now += 10_000 * SECOND;
        let one = PeerCaps { pending: 1, ..caps };
        for _ in 0..8 {
            peers.enter(PeerKey::Uid(99), now, one).unwrap().established();
            peers.leave(PeerKey::Uid(99), now);
        }
        prop_assert_eq!((peers.tracked(), peers.max_conns()), (0, 0));
    }

    /// Greedy peers leave places for new ones.
    #[test]
    fn pending_shares_leave_room(places in 1..600_u64, hogs in 1..40_u32) {
        let mut peers = PeerTable::default();
        let mut held = Vec::new();
        let mut by_peer = vec![0_u64; hogs as usize];
        for _ in 0..places {
            for hog in 0..hogs {
                let inside = held.len() as u64;
                if inside == places {
                    break;
                }
                let pending = pending_share(places, places - inside - 1);
                let caps = PeerCaps { max_conns: 0, accepts: None, pending };
                if let Ok(peer) = peers.enter(PeerKey::Uid(hog), 0, caps) {
                    held.push(peer);
                    by_peer[hog as usize] += 1;
                }
            }
        }
        let free = places - held.len() as u64;
        for held in by_peer {
            prop_assert!(held <= (places / 4).max(MIN_PENDING), "{held} of {places}");
            prop_assert!(held <= free.max(MIN_PENDING), "{held} with {free} free of {places}");
        }
    }
}
