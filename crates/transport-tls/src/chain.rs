//! The order of a certificate chain (RFC 8446 §4.4.2).
//!
//! The leaf is first, then each issuer follows.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ParsedCertificate;
use tracing::warn;

use crate::x509::{links, IssuerLinks};

/// A chain in the order in which it is sent.
#[derive(Debug)]
pub(crate) struct OrderedChain {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Whether the file has another order.
    was_reordered: bool,
    /// Number of certificates outside of the chain.
    ///
    /// They are sent too, as by nginx and HAProxy.
    unrelated: usize,
}

/// Puts the certificate of this key first, then its issuers.
///
/// `None` without such a certificate. A file with the right order is not changed: alternative
/// issuers can be between the others.
pub(crate) fn ordered(chain: Vec<CertificateDer<'static>>, spki: &[u8]) -> Option<OrderedChain> {
    let leaf = chain
        .iter()
        .position(|certificate| has_key(certificate, spki))?;
    let links: Vec<Option<IssuerLinks>> = chain.iter().map(links).collect();
    let path = path(&links, leaf);
    let unrelated = unrelated(&links, &path);
    let was_reordered = leaf != 0 || path.windows(2).any(|pair| pair[0] > pair[1]);
    if !was_reordered {
        return Some(OrderedChain {
            chain,
            was_reordered,
            unrelated,
        });
    }
    let rest = (0..chain.len()).filter(|at| !path.contains(at));
    let order: Vec<usize> = path.iter().copied().chain(rest).collect();
    let chain = order.into_iter().map(|at| chain[at].clone()).collect();
    Some(OrderedChain {
        chain,
        was_reordered,
        unrelated,
    })
}

impl OrderedChain {
    /// Logs a warning for a wrong order or unrelated certificates.
    pub(crate) fn warn(&self, setting: &'static str) {
        if self.was_reordered {
            warn!(
                target: "ron_transport",
                event = "certificate",
                backend = "tls",
                setting,
                "the chain is out of order in the file; it is sent in order: put the leaf first, \
                 then each issuer",
            );
        }
        if self.unrelated > 0 {
            warn!(
                target: "ron_transport",
                event = "certificate",
                backend = "tls",
                setting,
                unrelated = self.unrelated,
                "the file has certificates outside of the leaf's chain, which are sent too: remove \
                 them",
            );
        }
    }
}

fn has_key(certificate: &CertificateDer<'_>, spki: &[u8]) -> bool {
    let parsed = ParsedCertificate::try_from(certificate);
    parsed.is_ok_and(|parsed| *parsed.subject_public_key_info() == *spki)
}

/// Returns the indices of the leaf and its issuers in the file.
fn path(links: &[Option<IssuerLinks>], leaf: usize) -> Vec<usize> {
    let mut path = vec![leaf];
    let mut last = &links[leaf];
    while let Some(child) = last.as_ref().filter(|child| !child.is_self_issued()) {
        let issues = |at: &usize| {
            let parent = links[*at].as_ref();
            !path.contains(at) && parent.is_some_and(|parent| parent.issued(child))
        };
        let candidates: Vec<usize> = (0..links.len()).filter(issues).collect();
        // Authorities with the same name and different keys differ in the key identifier.
        let exact = |at: &&usize| links[**at].as_ref().is_some_and(|it| it.has_key_of(child));
        let Some(&next) = candidates.iter().find(exact).or(candidates.first()) else {
            break;
        };
        path.push(next);
        last = &links[next];
    }
    path
}

/// Counts certificates that issued no certificate of the path, directly or indirectly.
fn unrelated(links: &[Option<IssuerLinks>], path: &[usize]) -> usize {
    let mut related: Vec<usize> = path.to_vec();
    loop {
        let issues_one = |at: &usize| {
            let parent = links[*at].as_ref();
            let child = |child: &usize| links[*child].as_ref();
            let mut children = related.iter().filter_map(child);
            parent.is_some_and(|parent| children.any(|child| parent.issued(child)))
        };
        let found = (0..links.len()).filter(|at| !related.contains(at));
        let found: Vec<usize> = found.filter(issues_one).collect();
        if found.is_empty() {
            return links.len() - related.len();
        }
        related.extend(found);
    }
}

#[cfg(test)]
mod tests;
