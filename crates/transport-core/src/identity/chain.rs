//! The certificates of a verified chain.

use std::fmt;
use std::sync::Arc;

/// A verified chain of DER certificates, leaf first. Clones share the bytes.
///
/// It ends with the certificate that a trusted authority issued. The authority's own certificate is
/// no part of it (RFC 5280 §6.1), nor is a certificate that the peer sent without need.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CertificateChain(Arc<[Box<[u8]>]>);

impl CertificateChain {
    /// Returns the peer's own certificate.
    #[must_use]
    pub fn leaf(&self) -> Option<&[u8]> {
        self.iter().next()
    }

    /// Returns the certificates, leaf first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(|certificate| &**certificate)
    }

    /// Returns the number of certificates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the chain has no certificate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<C: Into<Box<[u8]>>> FromIterator<C> for CertificateChain {
    fn from_iter<T: IntoIterator<Item = C>>(certificates: T) -> Self {
        Self(certificates.into_iter().map(Into::into).collect())
    }
}

/// Shows the number of certificates, not their bytes.
impl fmt::Debug for CertificateChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateChain({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_is_leaf_first_and_shared() {
        let chain: CertificateChain = [&[1, 2][..], &[3]].into_iter().collect();
        assert_eq!(chain.leaf(), Some(&[1, 2][..]));
        assert_eq!((chain.len(), chain.iter().len()), (2, 2));
        let clone = chain.clone();
        assert_eq!(
            chain.leaf().map(<[u8]>::as_ptr),
            clone.leaf().map(<[u8]>::as_ptr)
        );
        assert!(!chain.is_empty() && CertificateChain::default().is_empty());
        assert_eq!(format!("{chain:?}"), "CertificateChain(2)");
    }
}
