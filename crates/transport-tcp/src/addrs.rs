//! Lists of addresses that one listener can have.

use std::net::SocketAddr;

use transport_core::schema::ValueError;

/// Checks that one listener can have all of these addresses.
///
/// ```
/// use transport_tcp::check_addrs;
///
/// let parse = |list: &[&str]| list.iter().map(|addr| addr.parse().unwrap()).collect::<Vec<_>>();
/// assert!(check_addrs(&parse(&["0.0.0.0:443", "[::]:443"])).is_ok());
/// let error = check_addrs(&parse(&["0.0.0.0:443", "127.0.0.1:443"])).unwrap_err();
/// assert_eq!(error.to_string(), "0.0.0.0:443 covers 127.0.0.1:443: leave one of them out");
/// ```
///
/// # Errors
/// For two addresses that are the same, or of which one covers the other. The text names them.
pub fn check_addrs(addrs: &[SocketAddr]) -> Result<(), ValueError> {
    for (at, &addr) in addrs.iter().enumerate() {
        for &before in &addrs[..at] {
            if is_same(addr, before) {
                let what = format!("{addr} is in the list twice: leave one of them out");
                return Err(ValueError::new(what));
            }
            for (wild, other) in [(before, addr), (addr, before)] {
                if covers(wild, other) {
                    let what = format!("{wild} covers {other}: leave one of them out");
                    return Err(ValueError::new(what));
                }
            }
        }
    }
    Ok(())
}

/// Returns whether an IPv6 wildcard leaves IPv4 to another address.
///
/// Such a socket has `IPV6_V6ONLY`. Alone, the wildcard accepts IPv4 too, as the system does.
#[must_use]
pub fn leaves_v4(addr: SocketAddr, all: &[SocketAddr]) -> bool {
    let is_v4 = |other: &SocketAddr| other.ip().to_canonical().is_ipv4();
    let is_beside = |other: &SocketAddr| is_v4(other) && other.port() == addr.port();
    addr.is_ipv6() && addr.ip().is_unspecified() && addr.port() != 0 && all.iter().any(is_beside)
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let scope = |addr: SocketAddr| match addr {
        SocketAddr::V6(addr) => addr.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    one.port() == other.port()
        && one.ip().to_canonical() == other.ip().to_canonical()
        && scope(one) == scope(other)
}

/// Returns whether a wildcard covers another address of its family.
fn covers(wild: SocketAddr, other: SocketAddr) -> bool {
    let (one, two) = (wild.ip().to_canonical(), other.ip().to_canonical());
    wild.port() != 0
        && wild.port() == other.port()
        && one.is_unspecified()
        && one.is_ipv4() == two.is_ipv4()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|addr| addr.parse().unwrap()).collect()
    }

    #[test]
    fn conflicting_addresses_are_named() {
        for (list, text) in [
            (
                &["127.0.0.1:1", "127.0.0.2:1", "127.0.0.1:1"][..],
                "127.0.0.1:1 is in the list twice",
            ),
            (
                &["127.0.0.1:0", "127.0.0.1:0"],
                "127.0.0.1:0 is in the list twice",
            ),
            (
                &["127.0.0.1:1", "[::ffff:127.0.0.1]:1"],
                "[::ffff:127.0.0.1]:1 is in the list twice",
            ),
            (&["[::1]:1", "[::]:1"], "[::]:1 covers [::1]:1"),
            (
                &["0.0.0.0:1", "[::ffff:127.0.0.1]:1"],
                "0.0.0.0:1 covers [::ffff:127.0.0.1]:1",
            ),
        ] {
            let error = check_addrs(&parse(list)).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
        for list in [
            &["0.0.0.0:1", "[::]:1"][..],
            &["127.0.0.1:1", "[::]:1", "127.0.0.1:2"],
            &["0.0.0.0:0", "127.0.0.1:0"],
            &["[fe80::1%1]:1", "[fe80::1%2]:1"],
            &[],
        ] {
            check_addrs(&parse(list)).unwrap();
        }
    }

    #[test]
    fn wildcard_leaves_ipv4_beside_its_port() {
        for (list, expected) in [
            (&["[::]:1"][..], false),
            (&["[::]:1", "0.0.0.0:1"], true),
            (&["[::]:1", "127.0.0.1:1"], true),
            (&["[::]:1", "0.0.0.0:2"], false),
            (&["[::]:0", "0.0.0.0:0"], false),
            (&["[::1]:1", "0.0.0.0:1"], false),
        ] {
            let list = parse(list);
            assert_eq!(leaves_v4(list[0], &list), expected, "{list:?}");
        }
    }
}
