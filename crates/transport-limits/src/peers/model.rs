//! The table against a plain model of it.

use std::collections::HashMap;

use proptest::prelude::*;
use transport_core::Reason;

use super::*;
use crate::clock::SECOND;

#[derive(Debug, Clone)]
enum Step {
    Enter(u32),
    Leave(u32),
    /// A connection of this peer moves bytes.
    Spend(u32, u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..8_u32).prop_map(Step::Enter),
        3 => (0..8_u32).prop_map(Step::Leave),
        1 => (0..8_u32, 1..5_000_u64).prop_map(|(key, tokens)| Step::Spend(key, tokens)),
        1 => (0..SECOND).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn the_table_agrees_with_its_model(
        cap in 0..4_u64,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let caps = PeerCaps { max_conns: cap, accepts: None };
        let rate = Rate::bytes(1_000, 4_096).unwrap();
        let (mut peers, mut now) = (Peers::default(), 0);
        let mut model: HashMap<u32, (usize, Arc<Peer>)> = HashMap::new();
        for step in steps {
            match step {
                Step::Enter(key) => {
                    let conns = model.get(&key).map_or(0, |(conns, _)| *conns);
                    match peers.enter(PeerKey::Uid(key), now, caps) {
                        Ok(peer) => {
                            prop_assert!(cap == 0 || (conns as u64) < cap);
                            if let Some((_, known)) = model.get(&key) {
                                // Connected, or not full yet: it has to be the same bucket.
                                let kept = conns > 0 || known.full_at() > now;
                                prop_assert!(!kept || Arc::ptr_eq(known, &peer));
                            }
                            model.insert(key, (conns + 1, peer));
                        }
                        Err(reason) => {
                            prop_assert_eq!(reason, Reason::PeerLimit);
                            prop_assert!(cap != 0 && conns as u64 >= cap);
                        }
                    }
                }
                Step::Leave(key) => if let Some((conns, _)) = model.get_mut(&key) {
                    if *conns > 0 {
                        *conns -= 1;
                        peers.leave(PeerKey::Uid(key), now);
                    }
                },
                Step::Spend(key, tokens) => if let Some((conns, peer)) = model.get(&key) {
                    if *conns > 0 {
                        let _spent = peer.lanes[0].bucket.take(now, rate, tokens, 0);
                    }
                },
                Step::Wait(ticks) => now += ticks,
            }
            let connected = model.values().filter(|(conns, _)| *conns > 0).count();
            let filling = |(conns, peer): &&(usize, Arc<Peer>)| *conns > 0 || peer.full_at() > now;
            let most = model.values().map(|(conns, _)| *conns).max().unwrap_or(0);
            prop_assert_eq!(peers.max_conns(), most);
            prop_assert!(peers.tracked() >= model.values().filter(filling).count());
            prop_assert!(peers.tracked() <= model.len() && peers.tracked() >= connected);
        }
        // When everyone has gone and every bucket is full, a little traffic clears the table.
        for (key, (conns, _)) in &model {
            for _ in 0..*conns {
                peers.leave(PeerKey::Uid(*key), now);
            }
        }
        now += 10_000 * SECOND;
        for _ in 0..8 {
            peers.enter(PeerKey::Uid(99), now, caps).unwrap();
            peers.leave(PeerKey::Uid(99), now);
        }
        prop_assert_eq!((peers.tracked(), peers.max_conns()), (0, 0));
    }
}
