//! An entry of an allow-list of subject alternative names.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use transport_core::schema::ValueError;
use transport_core::PeerName;

use crate::names;

/// An entry of `tls.allow_sans` or `tls_client.allow_sans`.
///
/// The text determines the type, and an entry matches names of its type only:
///
/// | entry | type | comparison |
/// |---|---|---|
/// | `192.0.2.1`, `2001:db8::1` | IP address | as an address; v4-mapped IPv6 is not IPv4 |
/// | `scheme:…` | URI | byte for byte |
/// | `spiffe://domain/path/*` | URI | SPIFFE IDs with at least one more path segment |
/// | `name@example.com` | e-mail address | local part exact, domain without case |
/// | `*.example.com` | DNS name | one label before the base; the SAN `*.example.com` too |
/// | anything else | DNS name | without case (RFC 6125 §6.4.1) |
///
/// A wildcard *in a certificate* stands for many hosts. It matches only the entry that allows all of
/// them: the SAN `*.example.com` does not match the entry `a.example.com`.
///
/// ```
/// use transport_core::PeerName;
/// use transport_tls::AllowedSan;
///
/// let entry: AllowedSan = "spiffe://example/payments/*".parse()?;
/// assert!(entry.matches(&PeerName::Uri("spiffe://example/payments/eu/1".into())));
/// assert!(!entry.matches(&PeerName::Uri("spiffe://example/payments".into())));
///
/// let entry: AllowedSan = "admin.example".parse()?;
/// assert!(entry.matches(&PeerName::DnsName("Admin.Example".into())));
/// assert!(!entry.matches(&PeerName::Uri("admin.example".into())));
///
/// let error = "spiffe://".parse::<AllowedSan>().unwrap_err().to_string();
/// assert!(error.contains("trust domain"));
/// # Ok::<(), transport_core::schema::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedSan {
    text: Box<str>,
    kind: SanPattern,
}

/// The type of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SanPattern {
    Ip(IpAddr),
    Uri,
    /// An ID prefix with its last slash.
    SpiffeBelow(Box<str>),
    Email,
    Dns,
    /// The name after `*.`.
    DnsBelow(Box<str>),
}

impl AllowedSan {
    /// Returns the entry as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether a name of a verified certificate matches.
    #[must_use]
    pub fn matches(&self, name: &PeerName) -> bool {
        match (&self.kind, name) {
            (SanPattern::Ip(allowed), PeerName::Ip(ip)) => allowed == ip,
            (SanPattern::Uri, PeerName::Uri(uri)) => self.text == *uri,
            (SanPattern::SpiffeBelow(prefix), PeerName::Uri(uri)) => {
                uri.starts_with(&**prefix) && names::check_spiffe(uri).is_ok()
            }
            (SanPattern::Email, PeerName::Email(address)) => same_address(&self.text, address),
            (SanPattern::Dns, PeerName::DnsName(name)) => self.text.eq_ignore_ascii_case(name),
            (SanPattern::DnsBelow(base), PeerName::DnsName(name)) => is_one_label_below(name, base),
            _ => false,
        }
    }
}

impl fmt::Display for AllowedSan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for AllowedSan {
    type Err = ValueError;

    /// Parses an entry.
    ///
    /// # Errors
    /// Explains why no certificate can match the entry.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let never = |why| ValueError::new(format!("{text:?} can never match: {why}"));
        let kind = kind(text).map_err(never)?;
        let text = text.into();
        Ok(Self { text, kind })
    }
}

fn kind(text: &str) -> Result<SanPattern, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if !text.is_ascii() {
        return Err("names in certificates are ASCII; write a domain as its A-label (xn--…)");
    }
    if text.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err("it has a space or a control character");
    }
    if let Ok(ip) = text.parse() {
        return Ok(SanPattern::Ip(ip));
    }
    if is_ip_with(text, ['[', ']']) || is_ip_with(text, ['/', '%']) {
        return Err("an IP address is written without brackets, prefix length, port and zone");
    }
    if let Some((scheme, rest)) = names::split_scheme(text) {
        return uri(text, scheme, rest);
    }
    if text.contains('@') {
        let (local, _) = names::split_email(text)?;
        if local.contains('*') {
            return Err("an e-mail address has no wildcard");
        }
        return Ok(SanPattern::Email);
    }
    if let Some(base) = names::strip_wildcard(text) {
        names::check_wildcard(base)?;
        return Ok(SanPattern::DnsBelow(base.into()));
    }
    names::check_dns(text).map(|()| SanPattern::Dns)
}

fn uri(text: &str, scheme: &str, rest: &str) -> Result<SanPattern, &'static str> {
    let is_port = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    if is_port && (scheme.contains('.') || scheme == "localhost") {
        return Err("a name has no port");
    }
    if scheme.eq_ignore_ascii_case(names::SPIFFE) {
        let Some(prefix) = text.strip_suffix("/*") else {
            return names::check_spiffe(text).map(|()| SanPattern::Uri);
        };
        names::check_spiffe(prefix)?;
        return Ok(SanPattern::SpiffeBelow(format!("{prefix}/").into()));
    }
    names::check_uri(text)?;
    if text.contains('*') {
        return Err("a URI is compared byte for byte; only spiffe:// entries may end with /*");
    }
    Ok(SanPattern::Uri)
}

/// Returns whether a text starts with an IP address and a delimiter.
fn is_ip_with(text: &str, delimiters: [char; 2]) -> bool {
    let mut parts = text.split(delimiters).filter(|part| !part.is_empty());
    let is_delimited = text.contains(delimiters);
    is_delimited
        && parts
            .next()
            .is_some_and(|part| part.parse::<IpAddr>().is_ok())
}

/// Compares local parts exactly and domains without case (RFC 5280 §7.5).
fn same_address(allowed: &str, presented: &str) -> bool {
    let (Some(allowed), Some(presented)) = (allowed.rsplit_once('@'), presented.rsplit_once('@'))
    else {
        return false;
    };
    allowed.0 == presented.0 && allowed.1.eq_ignore_ascii_case(presented.1)
}

/// Returns whether `name` is one label, or `*`, below `base`.
fn is_one_label_below(name: &str, base: &str) -> bool {
    let Some((label, rest)) = name.split_once('.') else {
        return false;
    };
    rest.eq_ignore_ascii_case(base) && (label == "*" || names::check_dns(name).is_ok())
}

/// Returns whether an allow-list is a proper subset of the one before.
///
/// Compares entries as text. An empty list allows every peer.
pub(crate) fn is_narrower(list: &[String], before: &[String]) -> bool {
    let is_shorter = before.is_empty() || list.len() < before.len();
    let known = |entry| before.is_empty() || before.contains(entry);
    !list.is_empty() && is_shorter && list.iter().all(known)
}
