//! Stream isolation: rules for streams that share a circuit.

use std::fmt;
use std::sync::Arc;

use arti_client::isolation::IsolationHelper;
use arti_client::StreamPrefs;

use crate::Isolation;

/// Groups streams: they share circuits only with streams of an equal token.
///
/// Cheap to copy. A copy is equal to its original; a new token differs from all others.
///
/// # Examples
///
/// ```
/// use transport_arti::IsolationToken;
///
/// let alice = IsolationToken::unique();
/// let bob = IsolationToken::unique();
/// assert_ne!(alice, bob);
/// // `ArtiNet::dialer().isolated_by(alice)` then dials on Alice's circuits only.
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsolationToken(arti_client::IsolationToken);

impl IsolationToken {
    /// Creates a token that differs from all others.
    #[must_use]
    pub fn unique() -> Self {
        Self(arti_client::IsolationToken::new())
    }
}

/// Isolates streams by host, ignoring ASCII case, and port.
#[derive(Clone, PartialEq, Eq)]
struct Destination(Arc<(String, u16)>);

/// Omits the host, since Arti logs this.
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

/// Sets a stream's isolation. A token takes precedence over the setting.
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
    fn destination_compatible_with_itself_only() {
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
    fn token_compatible_with_itself_only() {
        let (a, b) = (IsolationToken::unique(), IsolationToken::unique());
        assert!(a.0.compatible(&a.0) && !a.0.compatible(&b.0));
    }
}
