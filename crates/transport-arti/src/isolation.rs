//! Which streams may share a circuit.

use std::fmt;
use std::sync::Arc;

use arti_client::isolation::IsolationHelper;
use arti_client::StreamPrefs;

use crate::Isolation;

/// Streams that carry the same token may share circuits with each other, and with no other stream.
/// Cheap to copy; each new one differs from all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsolationToken(arti_client::IsolationToken);

impl IsolationToken {
    /// A token that nothing else has.
    #[must_use]
    pub fn unique() -> Self {
        Self(arti_client::IsolationToken::new())
    }
}

/// Streams to one host and port, written in the same way but for its case.
#[derive(Clone, PartialEq, Eq)]
struct Destination(Arc<(String, u16)>);

/// Arti logs it.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Destination")
    }
}

impl IsolationHelper for Destination {
    fn compatible_same_type(&self, other: &Self) -> bool {
        self == other
    }

    fn join_same_type(&self, other: &Self) -> Option<Self> {
        (self == other).then(|| self.clone())
    }
}

/// Tells Arti what this stream may share; a token of the caller's goes before the setting.
pub(crate) fn apply(
    prefs: &mut StreamPrefs,
    setting: Isolation,
    token: Option<IsolationToken>,
    host: &str,
    port: u16,
) {
    match (token, setting) {
        (Some(IsolationToken(token)), _) => prefs.set_isolation(token),
        (None, Isolation::None) => prefs,
        (None, Isolation::Destination) => {
            prefs.set_isolation(Destination(Arc::new((host.to_ascii_lowercase(), port))))
        }
        (None, Isolation::Stream) => prefs.isolate_every_stream(),
    };
}

#[cfg(test)]
mod tests {
    use arti_client::isolation::Isolation as _;

    use super::*;

    #[test]
    fn destinations_share_with_themselves_alone() {
        let to = |host: &str, port| Destination(Arc::new((host.to_owned(), port)));
        let a = to("a.example", 80);
        assert!(a.compatible(&to("a.example", 80)));
        assert!(!a.compatible(&to("a.example", 81)));
        assert!(!a.compatible(&to("b.example", 80)));
        assert!(!a.compatible(&IsolationToken::unique().0));
        assert!(a.join(&to("a.example", 80)).is_some());
        assert!(a.join(&to("b.example", 80)).is_none());
    }

    #[test]
    fn a_token_shares_with_itself_alone() {
        let (a, b) = (IsolationToken::unique(), IsolationToken::unique());
        assert!(a.0.compatible(&a.0) && !a.0.compatible(&b.0));
    }
}
