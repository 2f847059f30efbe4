//! The order of a certificate chain: the leaf, then each issuer (RFC 8446 §4.4.2).

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ParsedCertificate;
use tracing::warn;

use crate::x509::{links, IssuerLinks};

/// A chain as it is sent, and what was odd about its file.
#[derive(Debug)]
pub(crate) struct OrderedChain {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The file has another order.
    was_moved: bool,
    /// Certificates that issued nothing in the chain. They are sent too, as nginx and HAProxy do.
    unrelated: usize,
}

/// Puts the leaf of this key first and its issuers behind it; `None` where no certificate has the
/// key. A file that has them in this order keeps the rest of its order too: alternative issuers may
/// stand between them.
pub(crate) fn ordered(chain: Vec<CertificateDer<'static>>, spki: &[u8]) -> Option<OrderedChain> {
    let leaf = chain
        .iter()
        .position(|certificate| has_key(certificate, spki))?;
    let links: Vec<Option<IssuerLinks>> = chain.iter().map(links).collect();
    let path = path(&links, leaf);
    let unrelated = unrelated(&links, &path);
    let was_moved = leaf != 0 || path.windows(2).any(|pair| pair[0] > pair[1]);
    if !was_moved {
        return Some(OrderedChain {
            chain,
            was_moved,
            unrelated,
        });
    }
    let rest = (0..chain.len()).filter(|at| !path.contains(at));
    let order: Vec<usize> = path.iter().copied().chain(rest).collect();
    let chain = order.into_iter().map(|at| chain[at].clone()).collect();
    Some(OrderedChain {
        chain,
        was_moved,
        unrelated,
    })
}

impl OrderedChain {
    /// Warns of a file that is not as it should be.
    pub(crate) fn warn(&self, setting: &'static str) {
        if self.was_moved {
            warn!(
                target: "ron_transport",
                event = "certificate",
                backend = "tls",
                setting,
                "the chain is out of order in the file, and is sent in order: put the leaf first, \
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
                "certificates in the file issued nothing in the leaf's chain, and are sent with it: \
                 remove them",
            );
        }
    }
}

fn has_key(certificate: &CertificateDer<'_>, spki: &[u8]) -> bool {
    let parsed = ParsedCertificate::try_from(certificate);
    parsed.is_ok_and(|parsed| *parsed.subject_public_key_info() == *spki)
}

/// The leaf and its issuers, each by its place in the file.
fn path(links: &[Option<IssuerLinks>], leaf: usize) -> Vec<usize> {
    let mut path = vec![leaf];
    let mut last = &links[leaf];
    while let Some(child) = last.as_ref().filter(|child| !child.is_self_issued()) {
        let issues = |at: &usize| {
            let parent = links[*at].as_ref();
            !path.contains(at) && parent.is_some_and(|parent| parent.issued(child))
        };
        let candidates: Vec<usize> = (0..links.len()).filter(issues).collect();
        // Authorities of one name have several keys: the identifier tells them apart.
        let exact = |at: &&usize| links[**at].as_ref().is_some_and(|it| it.has_key_of(child));
        let Some(&next) = candidates.iter().find(exact).or(candidates.first()) else {
            break;
        };
        path.push(next);
        last = &links[next];
    }
    path
}

/// Certificates that issued neither one of the path nor an issuer of theirs.
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
