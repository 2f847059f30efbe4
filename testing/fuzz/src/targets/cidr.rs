//! Lists of address prefixes: `PREFIX,PREFIX…`, a line feed, and an address.
//!
//! The trie agrees with a comparison of bits, and a printed prefix parses to the same one.

use std::net::IpAddr;

use transport_limits::{IpPrefix, IpPrefixes};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (list, addr) = text.split_once('\n').unwrap_or((text, ""));
    let items: Vec<_> = list.split(',').collect();
    let prefixes = match IpPrefixes::parse(&items) {
        Ok(prefixes) => prefixes,
        Err(why) => return assert!(!why.to_string().is_empty()),
    };
    for prefix in prefixes.as_slice() {
        let again: Result<IpPrefix, _> = prefix.to_string().parse();
        assert_eq!(again.ok(), Some(*prefix), "{prefix}");
        assert!(prefixes.contains(prefix.network()), "{prefix}");
    }
    if let Ok(addr) = addr.parse::<IpAddr>() {
        let is_in = prefixes
            .as_slice()
            .iter()
            .any(|prefix| contains(*prefix, addr));
        assert_eq!(prefixes.contains(addr), is_in, "{addr} in {prefixes}");
    }
}

fn contains(prefix: IpPrefix, addr: IpAddr) -> bool {
    let differs = match (prefix.network(), addr.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => return false,
    };
    differs >= u32::from(prefix.len())
}
