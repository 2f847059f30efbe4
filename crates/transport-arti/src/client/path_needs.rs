//! The kinds of announced targets, which readiness covers.

use std::collections::BTreeSet;

use transport_core::Target;

/// Most ports that are proven one by one. Any exit proves further ports.
const MAX_PORTS: usize = 4;

/// The circuits that announced targets need, without host names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PathNeeds {
    /// Ports to reach through exits.
    pub(crate) ports: BTreeSet<u16>,
    /// True if an onion service was announced.
    pub(crate) onion: bool,
}

impl PathNeeds {
    /// Adds a target; returns whether it needs a new kind of circuit.
    pub(crate) fn add(&mut self, target: &Target) -> bool {
        match target {
            Target::Host { host, .. } if is_onion(host) => {
                !std::mem::replace(&mut self.onion, true)
            }
            Target::Host { port, .. } if self.ports.len() < MAX_PORTS => self.ports.insert(*port),
            _ => false,
        }
    }

    /// Returns whether no target has been announced.
    pub(crate) fn is_empty(&self) -> bool {
        self.ports.is_empty() && !self.onion
    }
}

/// Returns whether a host name ends in `.onion`, in any case.
pub(crate) fn is_onion(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let suffix = host.len().checked_sub(6).and_then(|at| host.get(at..));
    suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(".onion"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(needs: &mut PathNeeds, target: &str) -> bool {
        needs.add(&target.parse().unwrap())
    }

    #[test]
    fn new_kinds_of_targets_counted() {
        let mut needs = PathNeeds::default();
        assert!(needs.is_empty());
        assert!(added(&mut needs, "example.org:443"));
        assert!(!added(&mut needs, "example.com:443"));
        assert!(added(&mut needs, "example.com:80"));
        assert!(added(&mut needs, "AbC.OnIoN:80"));
        assert!(!added(&mut needs, "def.onion:81"));
        assert!(!needs.is_empty());
        for port in 1..100 {
            added(&mut needs, &format!("example.org:{port}"));
        }
        assert_eq!(needs.ports.len(), MAX_PORTS);
    }

    #[test]
    fn onion_suffix_recognized() {
        assert!(is_onion("abc.onion") && is_onion("abc.ONION."));
        assert!(!is_onion("onion") && !is_onion("abc.onion.org") && !is_onion("é.oniön"));
    }
}
