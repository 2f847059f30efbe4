use proptest::prelude::*;

use super::*;

fn list(items: &[&str]) -> IpPrefixes {
    IpPrefixes::parse(items).unwrap()
}

#[test]
fn prefixes_parse_to_networks() {
    for (text, network) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("::/0", "::/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
    ] {
        let prefix: IpPrefix = text.parse().unwrap();
        assert_eq!(prefix.to_string(), network, "{text}");
        assert_eq!(network.parse::<IpPrefix>().unwrap(), prefix);
    }
    let both = list(&["10.0.0.0/8", "::1"]);
    assert_eq!(both.to_string(), "10.0.0.0/8,::1/128");
    let lengths: Vec<_> = both.as_slice().iter().map(|prefix| prefix.len()).collect();
    assert_eq!(lengths, [8, 128]);
    assert_eq!(both, list(&["10.0.0.0/8", "::1/128"]));
    assert_ne!(both, list(&["::1", "10.0.0.0/8"]));
}

#[test]
fn wrong_prefix_error_names_fix() {
    for (text, said) in [
        ("10.1.2.3/8", "the network is 10.0.0.0/8"),
        ("10.1.2.3/8", "the single address is 10.1.2.3/32"),
        ("192.0.2.129/25", "the network is 192.0.2.128/25"),
        ("10.0.0.1/0", "the network is 0.0.0.0/0"),
        ("2001:db8::1/64", "the network is 2001:db8::/64"),
        ("10.0.0.0/33", "IPv4 prefix is 0 to 32"),
        ("2001:db8::/129", "IPv6 prefix is 0 to 128"),
        ("10.0.0.0/", "IPv4 prefix is 0 to 32"),
        ("10.0.0.0/+8", "IPv4 prefix is 0 to 32"),
        ("10.0.0.0/-1", "IPv4 prefix is 0 to 32"),
        ("10.0.0.0/8/8", "IPv4 prefix is 0 to 32"),
        ("10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
        ("10.0.0.0/255.0.255.0", "IPv4 prefix is 0 to 32"),
        ("2001:db8::/255.0.0.0", "IPv6 prefix is 0 to 128"),
        ("::ffff:10.0.0.0/8", "write the IPv4 prefix"),
        ("::ffff:10.0.0.1/104", "the network is ::ffff:10.0.0.0/104"),
        ("localhost", "such as 10.0.0.0/8"),
        ("10.0.0/8", "such as 10.0.0.0/8"),
        ("010.0.0.0/8", "such as 10.0.0.0/8"),
        ("fe80::1%eth0/64", "such as 10.0.0.0/8"),
        ("[::1]", "such as 10.0.0.0/8"),
        ("", "such as 10.0.0.0/8"),
        ("10.0.0.0 /8", "such as 10.0.0.0/8"),
    ] {
        let error = text.parse::<IpPrefix>().unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.starts_with(&format!("{text:?} ")), "{text}: {error}");
    }
    let long = "1\u{1b}[2J".repeat(1000);
    let error = long.parse::<IpPrefix>().unwrap_err().to_string();
    assert!(error.len() < 400 && !error.contains('\u{1b}'), "{error}");
    assert!(error.contains("\"… "), "it marks the cut: {error}");
}

#[test]
fn addresses_match_by_family() {
    let all_v4 = list(&["0.0.0.0/0"]);
    let all_v6 = list(&["::/0"]);
    for (addr, v4) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("2001:db8::1", false),
        ("::10.1.2.3", false),
    ] {
        let addr = addr.parse().unwrap();
        assert_eq!(all_v4.contains(addr), v4, "{addr}");
        assert_eq!(all_v6.contains(addr), !v4, "{addr}");
    }
    let one = list(&["192.0.2.7", "2001:db8::/127"]);
    assert!(one.contains("192.0.2.7".parse().unwrap()));
    assert!(!one.contains("192.0.2.6".parse().unwrap()));
    assert!(one.contains("2001:db8::1".parse().unwrap()));
    assert!(!one.contains("2001:db8::2".parse().unwrap()));
    assert!(!IpPrefixes::default().contains("::1".parse().unwrap()));
}

proptest! {
    /// Prefixes may be nested and repeated.
    #[test]
    fn trie_agrees_with_scan(
        prefixes in proptest::collection::vec((0_u32..64, 0_u8..=32), 0..40),
        wide in proptest::collection::vec((0_u128..64, 0_u8..=128), 0..40),
        addrs in proptest::collection::vec(0_u32..64, 1..40),
    ) {
        let v4 = prefixes.iter().map(|(bits, len)| {
            let addr = IpAddr::V4((bits << 26).into());
            IpPrefix { network: masked(addr, *len), len: *len }
        });
        let v6 = wide.iter().map(|(bits, len)| {
            let addr = IpAddr::V6((bits << 122).into());
            IpPrefix { network: masked(addr, *len), len: *len }
        });
        let list: IpPrefixes = v4.chain(v6).collect();
        for bits in addrs {
            for addr in [IpAddr::V4((bits << 26).into()), IpAddr::V6((u128::from(bits) << 122).into())] {
                let scanned = list.as_slice().iter().any(|prefix| {
                    prefix.network.is_ipv4() == addr.is_ipv4() && masked(addr, prefix.len) == prefix.network
                });
                prop_assert_eq!(list.contains(addr), scanned, "{}", addr);
            }
        }
    }
}
