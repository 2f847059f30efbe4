//! The possible values of each label.
//!
//! Each value has a position in its list. The lists follow from the types of `transport-core`: a
//! value added there appears here.

use transport_core::{
    Backend, CloseReason, Direction, KeyExchange, ProxyResult, ProxyVersion, Queue, ReadyReason,
    ReadyState, Reason, Scope, TaskKind,
};

/// Defines the texts of a type's `ALL`, in its order.
macro_rules! texts {
    ($name:ident, $kind:ident) => {
        pub(crate) const $name: &[&str] = {
            const TEXTS: [&str; $kind::ALL.len()] = {
                let mut texts = [""; $kind::ALL.len()];
                let mut at = 0;
                while at < texts.len() {
                    texts[at] = $kind::ALL[at].as_str();
                    at += 1;
                }
                texts
            };
            &TEXTS
        };
    };
}

texts!(BACKEND, Backend);
texts!(CLOSE_REASON, CloseReason);
texts!(DIRECTION, Direction);
texts!(KX, KeyExchange);
texts!(PROXY_RESULT, ProxyResult);
texts!(QUEUE, Queue);
texts!(REASON, Reason);
texts!(SCOPE, Scope);
texts!(TASK, TaskKind);

/// `result` of a dial or handshake, indexed by [`failed`].
pub(crate) const RESULT: &[&str] = &["ok", "error"];
/// `result` of a reload, indexed by [`failed`].
pub(crate) const RELOAD_RESULT: &[&str] = &["ok", "rejected"];
/// `version` of a PROXY header, indexed by [`proxy_version`].
pub(crate) const PROXY_VERSION: &[&str] = &[
    ProxyVersion::V1.as_str(),
    ProxyVersion::V2.as_str(),
    NO_REASON,
];
/// `resumed` of a TLS handshake, indexed by `usize::from(resumed)`.
pub(crate) const RESUMED: &[&str] = &["no", "yes"];
/// `state` of readiness, indexed by [`ReadyState::level`].
pub(crate) const STATE: &[&str] = &["not_ready", "degraded", "ready"];
/// `reason` of readiness: [`NO_REASON`], then the reasons of each state.
pub(crate) const READY_REASON: &[&str] = {
    const DEGRADED: usize = ReadyReason::DEGRADED.len();
    const NOT_READY: usize = ReadyReason::NOT_READY.len();
    const TEXTS: [&str; 1 + DEGRADED + NOT_READY] = {
        let mut texts = [NO_REASON; 1 + DEGRADED + NOT_READY];
        let mut at = 0;
        while at < DEGRADED {
            texts[1 + at] = ReadyReason::DEGRADED[at].as_str();
            at += 1;
        }
        at = 0;
        while at < NOT_READY {
            texts[1 + DEGRADED + at] = ReadyReason::NOT_READY[at].as_str();
            at += 1;
        }
        texts
    };
    &TEXTS
};

/// The `reason` of a state without one.
///
/// Prometheus drops a label with an empty value.
const NO_REASON: &str = "none";

/// Returns the position in [`RESULT`] and [`RELOAD_RESULT`].
pub(crate) fn failed(ok: bool) -> usize {
    usize::from(!ok)
}

/// Returns the position in [`PROXY_VERSION`].
pub(crate) fn proxy_version(version: Option<ProxyVersion>) -> usize {
    version.map_or(ProxyVersion::ALL.len(), |version| version as usize)
}

/// Returns the position in [`KX`]; called once per handshake.
pub(crate) fn kx(kx: KeyExchange) -> Option<usize> {
    KeyExchange::ALL.iter().position(|known| *known == kx)
}

/// Returns the label values of a readiness state.
pub(crate) fn ready_labels(state: ReadyState) -> [&'static str; 2] {
    [
        state.state(),
        state.reason().map_or(NO_REASON, ReadyReason::as_str),
    ]
}

/// Returns the positions in [`STATE`] and [`READY_REASON`]; called once per transition.
pub(crate) fn ready(state: ReadyState) -> Option<[usize; 2]> {
    let [_, reason] = ready_labels(state);
    let at = READY_REASON.iter().position(|known| *known == reason)?;
    Some([usize::from(state.level()), at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_readiness_state_has_positions() {
        for state in ReadyState::all() {
            let [at_state, at_reason] = ready(state).unwrap();
            assert_eq!(
                [STATE[at_state], READY_REASON[at_reason]],
                ready_labels(state)
            );
        }
    }

    #[test]
    fn discriminants_are_positions() {
        for (at, kind) in TaskKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
        for (at, scope) in Scope::ALL.into_iter().enumerate() {
            assert_eq!(scope as usize, at);
        }
        for (at, direction) in Direction::ALL.into_iter().enumerate() {
            assert_eq!(direction as usize, at);
        }
        for (at, queue) in Queue::ALL.into_iter().enumerate() {
            assert_eq!(queue as usize, at);
        }
        for (at, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
    }
}
