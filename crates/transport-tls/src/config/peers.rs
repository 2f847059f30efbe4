//! Lists of allowed names and pinned keys, for both tables.

use std::str::FromStr;

use transport_core::schema::ValueError;

pub(super) const SANS_RULE: &str = "DNS names (*.example.com for one label), IP addresses, \
     URIs (spiffe://domain/path/* below a path), e-mail addresses; each matches its type only";
pub(super) const SANS_RULE_CLIENTS: &str =
    "DNS names (*.example.com for one label), IP addresses, \
     URIs (spiffe://domain/path/* below a path), e-mail addresses; each matches its type only; not \
     with tls.client_auth = off";
pub(super) const PINS_RULE: &str =
    "SHA-256 hashes of SubjectPublicKeyInfo in base64, sha256/ or sha256// before them or not";
pub(super) const PINS_RULE_CLIENTS: &str =
    "SHA-256 hashes of SubjectPublicKeyInfo in base64, sha256/ or sha256// before them or not; not \
     with tls.client_auth = off";

/// The entries of a list, as texts and parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerList<T> {
    texts: Vec<String>,
    parsed: Vec<T>,
}

impl<T: FromStr<Err = ValueError>> PeerList<T> {
    /// Parses every entry.
    ///
    /// # Errors
    /// Returns the first error.
    pub(super) fn new(texts: Vec<String>) -> Result<Self, ValueError> {
        let parsed: Result<_, _> = texts.iter().map(|text| text.parse()).collect();
        Ok(Self {
            parsed: parsed?,
            texts,
        })
    }
}

impl<T> PeerList<T> {
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(super) fn parsed(&self) -> &[T] {
        &self.parsed
    }

    pub(super) fn join(&self) -> String {
        self.texts.join(",")
    }
}

impl<T> Default for PeerList<T> {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            parsed: Vec::new(),
        }
    }
}
