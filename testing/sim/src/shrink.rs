//! Cuts a failing script by delta debugging (Zeller and Hildebrandt 2002).

use crate::script::{Cut, Script};

/// Returns cuts after which the script still fails.
///
/// `fails` runs the script without the cuts. Peers are cut first, then actions of the operator, steps,
/// and the irregularities of networks.
pub fn shrink(script: &Script, mut fails: impl FnMut(&[Cut]) -> bool) -> Vec<Cut> {
    let mut made = Vec::new();
    for kind in script.cuts() {
        let useful = |cut: &Cut| match cut {
            Cut::Step(peer, _) | Cut::Wire(peer) => !made.contains(&Cut::Peer(*peer)),
            _ => true,
        };
        let mut left: Vec<Cut> = kind.into_iter().filter(useful).collect();
        let mut size = left.len();
        while size > 0 {
            let mut kept = Vec::new();
            for part in left.chunks(size) {
                let tried = [&made[..], part].concat();
                if fails(&tried) {
                    made = tried;
                } else {
                    kept.extend_from_slice(part);
                }
            }
            let cut_any = kept.len() < left.len();
            left = kept;
            size = match size {
                1 if cut_any => 1,
                size => size / 2,
            };
            size = size.min(left.len());
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_needed_parts_stay() {
        let script = Script::generate(7);
        let needed = [Cut::Peer(1), Cut::Step(1, 0)];
        let made = shrink(&script, |cuts| {
            needed.iter().all(|part| !cuts.contains(part))
        });
        let small = script.without(&made);
        assert_eq!(small.peers.len(), 1);
        assert_eq!(small.peers[0].steps.len(), 1);
        assert!(small.ops.is_empty());
    }
}
