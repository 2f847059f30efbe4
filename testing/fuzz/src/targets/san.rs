//! Entries of allow-lists.
//!
//! The input is an entry, a line feed, and the name of a peer.
//! An entry matches names of one type only, and itself if it has no wildcard.

use std::net::IpAddr;

use transport_core::PeerName;
use transport_tls::{AllowedSan, SpkiPin};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (entry, name) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(pin) = entry.parse::<SpkiPin>() {
        assert_eq!(pin.to_string().parse::<SpkiPin>().ok(), Some(pin));
    }
    let Ok(allowed) = entry.parse::<AllowedSan>() else {
        return;
    };
    assert_eq!(allowed.as_str(), entry);
    assert_eq!(
        allowed.to_string().parse::<AllowedSan>().ok(),
        Some(allowed.clone())
    );
    let matches = |name: &str| {
        names(name)
            .iter()
            .filter(|name| allowed.matches(name))
            .count()
    };
    assert!(
        matches(name) <= 1,
        "{entry:?} matches {name:?} as several types"
    );
    if !entry.contains('*') {
        assert_eq!(matches(entry), 1, "{entry:?} does not match itself");
    }
    if matches(name) == 1 {
        check_match(entry, name);
    }
}

/// Checks a match: equality but for case and wildcard.
fn check_match(entry: &str, name: &str) {
    let (entry, name) = (entry.to_ascii_lowercase(), name.to_ascii_lowercase());
    let same_ip = || Some(entry.parse::<IpAddr>().ok()? == name.parse::<IpAddr>().ok()?);
    let is_match = if let Some(base) = entry.strip_prefix("*.") {
        name.split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == base)
    } else if let Some(prefix) = entry.strip_suffix('*') {
        name.len() > prefix.len() && name.starts_with(prefix)
    } else {
        entry == name || same_ip() == Some(true)
    };
    assert!(is_match, "{entry:?} matches {name:?}");
}

/// Returns the name as each type of a certificate's names.
fn names(name: &str) -> Vec<PeerName> {
    let mut names = vec![
        PeerName::DnsName(name.into()),
        PeerName::Uri(name.into()),
        PeerName::Email(name.into()),
    ];
    names.extend(name.parse().map(PeerName::Ip));
    names
}
