//! Cuts of a script, for the shrinker.

use std::fmt;
use std::str::FromStr;

use super::{Script, Wire};

/// One part that is left out of a generated script.
///
/// Positions are those of the generated script, whatever else is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// A peer.
    Peer(usize),
    /// A step of a peer.
    Step(usize, usize),
    /// An action of the operator.
    Op(usize),
    /// The irregularities of a peer's network.
    Wire(usize),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(n) => write!(f, "p{n}"),
            Self::Step(n, step) => write!(f, "s{n}.{step}"),
            Self::Op(n) => write!(f, "o{n}"),
            Self::Wire(n) => write!(f, "w{n}"),
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("cut {text:?}: p1, s1.2, o1 or w1");
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let (kind, rest) = text.split_at_checked(1).ok_or_else(wrong)?;
        Ok(match kind {
            "p" => Self::Peer(number(rest)?),
            "o" => Self::Op(number(rest)?),
            "w" => Self::Wire(number(rest)?),
            "s" => {
                let (peer, step) = rest.split_once('.').ok_or_else(wrong)?;
                Self::Step(number(peer)?, number(step)?)
            }
            _ => return Err(wrong()),
        })
    }
}

impl Script {
    /// Returns all cuts that can be made, the large ones first.
    #[must_use]
    pub fn cuts(&self) -> Vec<Vec<Cut>> {
        let peers = (0..self.peers.len()).map(Cut::Peer).collect();
        let ops = (0..self.ops.len()).map(Cut::Op).collect();
        let steps = self.peers.iter().enumerate();
        let steps = steps.flat_map(|(n, peer)| (0..peer.steps.len()).map(move |s| Cut::Step(n, s)));
        let wires = (0..self.peers.len()).map(Cut::Wire).collect();
        vec![peers, ops, steps.collect(), wires]
    }

    /// Returns the script without these parts.
    ///
    /// Cancels of a peer that was cut are left out, the others follow their peers.
    #[must_use]
    pub fn without(&self, cuts: &[Cut]) -> Self {
        let has = |cut: Cut| cuts.contains(&cut);
        let mut script = self.clone();
        let mut place = vec![None; self.peers.len()];
        script.peers.clear();
        for (n, peer) in self.peers.iter().enumerate() {
            if has(Cut::Peer(n)) {
                continue;
            }
            place[n] = Some(script.peers.len());
            let mut peer = peer.clone();
            if has(Cut::Wire(n)) {
                let Wire { cap, .. } = peer.wire;
                peer.wire = Wire {
                    delay_ms: 1,
                    jitter_ms: 0,
                    cap,
                    piece: 0,
                    late: 0,
                };
            }
            let mut at = 0..;
            peer.steps
                .retain(|_| at.next().is_some_and(|step| !has(Cut::Step(n, step))));
            script.peers.push(peer);
        }
        script.ops.clear();
        for (n, (at, op)) in self.ops.iter().enumerate() {
            if has(Cut::Op(n)) {
                continue;
            }
            match *op {
                super::Op::Cancel(peer) => {
                    if let Some(peer) = place.get(peer).copied().flatten() {
                        script.ops.push((*at, super::Op::Cancel(peer)));
                    }
                }
                op => script.ops.push((*at, op)),
            }
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_round_trip_as_text() {
        for cut in [Cut::Peer(3), Cut::Step(1, 2), Cut::Op(0), Cut::Wire(9)] {
            assert_eq!(cut.to_string().parse(), Ok(cut));
        }
        assert!("x1".parse::<Cut>().is_err());
        assert!("s1".parse::<Cut>().is_err());
        assert!("".parse::<Cut>().is_err());
    }

    #[test]
    fn cut_parts_are_left_out() {
        let whole = Script::generate(1);
        let all: Vec<Cut> = whole.cuts().concat();
        let none = whole.without(&all);
        assert!(none.peers.is_empty() && none.ops.is_empty());
        let one = whole.without(&[Cut::Peer(0), Cut::Step(1, 0)]);
        assert_eq!(one.peers.len(), whole.peers.len() - 1);
        assert_eq!(one.peers[0].steps.len(), whole.peers[1].steps.len() - 1);
        assert_eq!(whole.without(&[]), whole);
    }
}
