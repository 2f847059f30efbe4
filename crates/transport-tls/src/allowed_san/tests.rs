//! Allow-list entries: types, matches and errors.

use proptest::prelude::*;

use super::*;

fn dns(text: &str) -> PeerName {
    PeerName::DnsName(text.into())
}

fn uri(text: &str) -> PeerName {
    PeerName::Uri(text.into())
}

fn email(text: &str) -> PeerName {
    PeerName::Email(text.into())
}

fn ip(text: &str) -> PeerName {
    PeerName::Ip(text.parse().unwrap())
}

fn entry(text: &str) -> AllowedSan {
    text.parse().unwrap()
}

#[test]
fn names_match_by_their_type() {
    for (allowed, name, matches) in [
        // DNS names.
        ("a.example", dns("a.example"), true),
        ("a.example", dns("A.Example"), true),
        ("A.EXAMPLE", dns("a.example"), true),
        ("a.example", dns("b.a.example"), false),
        ("a.example", dns("a.example.evil.test"), false),
        ("a.example", dns("a.example."), false),
        ("a.example", dns("a.example\0"), false),
        ("a.example", dns("а.example"), false),
        ("a.example", uri("a.example"), false),
        ("a.example", email("a.example"), false),
        ("_srv.a.example", dns("_SRV.a.example"), true),
        ("localhost", dns("localhost"), true),
        ("xn--bcher-kva.example", dns("XN--bcher-kva.example"), true),
        // Wildcards.
        ("*.a.example", dns("b.A.example"), true),
        ("*.a.example", dns("xn--bcher-kva.a.example"), true),
        ("*.a.example", dns("*.A.example"), true),
        ("*.a.example", dns("a.example"), false),
        ("*.a.example", dns("c.b.a.example"), false),
        ("*.a.example", dns("*.b.a.example"), false),
        ("*.a.example", dns(".a.example"), false),
        ("*.a.example", dns("b*.a.example"), false),
        ("*.a.example", dns("b c.a.example"), false),
        ("*.a.example", dns("-b.a.example"), false),
        ("*.a.example", uri("b.a.example"), false),
        ("b.a.example", dns("*.a.example"), false),
        // IP addresses.
        ("192.0.2.1", ip("192.0.2.1"), true),
        ("192.0.2.1", ip("192.0.2.2"), false),
        ("192.0.2.1", ip("::ffff:192.0.2.1"), false),
        ("::ffff:192.0.2.1", ip("192.0.2.1"), false),
        ("::ffff:192.0.2.1", ip("::ffff:c000:201"), true),
        ("2001:DB8:0::1", ip("2001:db8::1"), true),
        ("192.0.2.1", dns("192.0.2.1"), false),
        ("fe80::1", uri("fe80::1"), false),
        // URIs.
        ("urn:example:Admin", uri("urn:example:Admin"), true),
        ("urn:example:Admin", uri("urn:example:admin"), false),
        ("urn:example:Admin", dns("urn:example:Admin"), false),
        ("https://a.example/b", uri("https://a.example/b"), true),
        ("https://a.example/b", uri("https://A.example/b"), false),
        ("https://a.example/b", uri("https://a.example/%62"), false),
        ("spiffe://td/a", uri("spiffe://td/a"), true),
        ("spiffe://td/a", uri("spiffe://td/A"), false),
        ("spiffe://td/a", uri("spiffe://TD/a"), false),
        ("spiffe://td/a", uri("spiffe://td/a/"), false),
        ("spiffe://td/a", uri("spiffe://td/a/b"), false),
        ("spiffe://td", uri("spiffe://td"), true),
        ("spiffe://td", uri("spiffe://td/a"), false),
        // SPIFFE prefixes.
        ("spiffe://td/*", uri("spiffe://td/a"), true),
        ("spiffe://td/*", uri("spiffe://td/a/b"), true),
        ("spiffe://td/*", uri("spiffe://td"), false),
        ("spiffe://td/*", uri("spiffe://td/"), false),
        ("spiffe://td/*", uri("spiffe://td.evil/a"), false),
        ("spiffe://td/*", uri("spiffe://td:443/a"), false),
        ("spiffe://td/*", uri("spiffe://TD/a"), false),
        ("spiffe://td/*", uri("SPIFFE://td/a"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/b"), true),
        ("spiffe://td/a/*", uri("spiffe://td/a"), false),
        ("spiffe://td/a/*", uri("spiffe://td/ab/c"), false),
        ("spiffe://td/a/*", uri("spiffe://td/A/b"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/../b"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/./b"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a//b"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/b/"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/b?q"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/b#f"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/%62"), false),
        ("spiffe://td/a/*", uri("spiffe://td/a/*"), false),
        ("spiffe://td/a/*", dns("spiffe://td/a/b"), false),
        // E-mail addresses.
        ("Ann@a.example", email("Ann@A.EXAMPLE"), true),
        ("Ann@a.example", email("ann@a.example"), false),
        ("ann@a.example", email("ann@b.a.example"), false),
        ("ann@a.example", email("x@ann@a.example"), false),
        ("ann@a.example", email("ann"), false),
        ("ann@a.example", dns("ann@a.example"), false),
        ("a.example", email("ann@a.example"), false),
    ] {
        assert_eq!(entry(allowed).matches(&name), matches, "{allowed} {name:?}");
    }
}

#[test]
fn unmatchable_entry_is_refused() {
    for (text, says) in [
        ("", "is empty"),
        ("no t a name", "a space or a control character"),
        ("a.example\0", "a space or a control character"),
        ("a.example\n", "a space or a control character"),
        ("bücher.example", "A-label"),
        // DNS names.
        (".a.example", "a label of the DNS name is empty"),
        ("a..example", "a label of the DNS name is empty"),
        ("a.example.", "no dot at its end"),
        ("-a.example", "does not start or end with '-'"),
        ("a!.example", "only letters, digits"),
        ("a.example/b", "only letters, digits"),
        ("1.2.3", "neither an IP address nor a DNS name"),
        ("256.1.1.1", "neither an IP address nor a DNS name"),
        ("a.example:443", "a name has no port"),
        ("localhost:443", "a name has no port"),
        // Wildcards.
        ("*", "the whole leftmost label"),
        ("*.", "a label of the DNS name is empty"),
        ("*.example", "at least two labels"),
        ("a.*.example", "the whole leftmost label"),
        ("*.*.example", "the whole leftmost label"),
        ("a*.b.example", "the whole leftmost label"),
        ("*a.b.example", "the whole leftmost label"),
        ("**.b.example", "the whole leftmost label"),
        // IP addresses.
        ("[::1]", "without brackets"),
        ("[::1]:443", "without brackets"),
        ("192.0.2.0/24", "without brackets, prefix length"),
        ("2001:db8::/32", "without brackets, prefix length"),
        (
            "fe80::1%eth0",
            "without brackets, prefix length, port and zone",
        ),
        // URIs.
        ("urn:", "nothing after its scheme"),
        ("http://", "no host"),
        ("http:///a", "no host"),
        ("http://[", "ends with ']'"),
        ("http://[::1", "ends with ']'"),
        ("http://[a]/", "no IPv6 address"),
        ("http://a.example:b/", "port of the URI is not a number"),
        ("http://a.example/[", "RFC 3986"),
        ("http://a.example/%4", "two hexadecimal digits"),
        ("http://a.example/a#b#c", "RFC 3986"),
        ("http://a.example/*", "byte for byte"),
        // SPIFFE IDs.
        ("spiffe:", "starts with spiffe://"),
        ("spiffe://", "trust domain"),
        ("spiffe:///a", "trust domain"),
        ("spiffe:///*", "trust domain"),
        ("SPIFFE://td/a", "in lower case"),
        ("SPIFFE://td/*", "in lower case"),
        ("spiffe://TD/a", "lower-case letters"),
        ("spiffe://td:443/a", "no port"),
        ("spiffe://user@td/a", "lower-case letters"),
        ("spiffe://*/a", "lower-case letters"),
        ("spiffe://td/", "is empty"),
        ("spiffe://td/a/", "is empty"),
        ("spiffe://td//*", "is empty"),
        ("spiffe://td/a?b", "no query"),
        ("spiffe://td/a#b", "no fragment"),
        ("spiffe://td/%61", "no '%'"),
        ("spiffe://td/../*", "'.' and '..'"),
        ("spiffe://td/*/a", "only as the last segment"),
        ("spiffe://td/a*", "only as the last segment"),
        ("spiffe://td/**", "only as the last segment"),
        // E-mail addresses.
        ("@a.example", "a local part before '@'"),
        ("ann@", "a domain after '@'"),
        ("*@a.example", "no wildcard"),
        ("ann@*.a.example", "the whole leftmost label"),
        ("a@b@a.example", "not a valid local part"),
        (".ann@a.example", "not a valid local part"),
        ("ann@192.0.2.1", "neither an IP address nor a DNS name"),
    ] {
        let error = text.parse::<AllowedSan>().unwrap_err().to_string();
        assert!(error.contains(says), "{text:?}: {error}");
        assert!(error.contains("can never match"), "{error}");
    }
    let long = "a".repeat(64);
    assert!(format!("{long}.example").parse::<AllowedSan>().is_err());
    assert!(format!("{long}@a.example").parse::<AllowedSan>().is_ok());
    assert!(format!("a{long}@a.example").parse::<AllowedSan>().is_err());
    let name = format!("{}example", "a.".repeat(124));
    assert!(name.parse::<AllowedSan>().is_err());
    assert!(format!("spiffe://td/{}", "a".repeat(2036))
        .parse::<AllowedSan>()
        .is_ok());
    assert!(format!("spiffe://td/{}", "a".repeat(2037))
        .parse::<AllowedSan>()
        .is_err());
}

#[test]
fn error_escapes_entry() {
    let error = "\u{1b}[2J".parse::<AllowedSan>().unwrap_err().to_string();
    assert!(error.is_ascii() && !error.contains('\u{1b}'), "{error}");
}

/// Returns the names of every type with this text.
fn all_types(text: &str) -> Vec<PeerName> {
    let mut names = vec![dns(text), uri(text), email(text)];
    names.extend(text.parse().map(PeerName::Ip));
    names
}

fn label() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?"
}

fn domain() -> impl Strategy<Value = String> {
    (proptest::collection::vec(label(), 1..4), "[a-zA-Z]{2,6}")
        .prop_map(|(labels, top)| format!("{}.{top}", labels.join(".")))
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-zA-Z0-9_-]{1,6}", 1..5).prop_map(|path| path.join("/"))
}

proptest! {
    #[test]
    fn arbitrary_entry_does_not_panic(text in ".{0,60}", shown in ".{0,60}") {
        if let Ok(entry) = text.parse::<AllowedSan>() {
            for name in all_types(&shown) {
                let _ = entry.matches(&name);
            }
        }
    }

    #[test]
    fn entry_matches_at_most_one_type(
        text in "[a-zA-Z0-9:/@.*%\\[\\]_-]{1,24}",
    ) {
        if let Ok(entry) = text.parse::<AllowedSan>() {
            prop_assert_eq!(entry.as_str(), &text);
            let matched = all_types(&text).into_iter().filter(|name| entry.matches(name));
            let is_prefix = text.ends_with("/*");
            prop_assert_eq!(matched.count(), usize::from(!is_prefix), "{}", text);
        }
    }

    #[test]
    fn domain_matches_itself_without_case(name in domain(), other in domain()) {
        let entry = entry(&name);
        prop_assert!(entry.matches(&dns(&name.to_ascii_uppercase())));
        prop_assert!(!entry.matches(&uri(&name)));
        let is_same = name.eq_ignore_ascii_case(&other);
        prop_assert_eq!(entry.matches(&dns(&other)), is_same);
    }

    #[test]
    fn wildcard_matches_exactly_one_label(base in domain(), label in label()) {
        let entry = entry(&format!("*.{base}"));
        let below = format!("{label}.{base}");
        prop_assert!(entry.matches(&dns(&below)));
        let deeper = format!("x.{below}");
        prop_assert!(!entry.matches(&dns(&base)) && !entry.matches(&dns(&deeper)));
    }

    #[test]
    fn spiffe_prefix_matches_whole_segments(at in path(), more in path(), tail in "[a-z]{1,4}") {
        let entry = entry(&format!("spiffe://td/{at}/*"));
        let id = format!("spiffe://td/{at}");
        let below = uri(&format!("{id}/{more}"));
        prop_assert!(entry.matches(&below));
        prop_assert!(!entry.matches(&uri(&id)));
        let sibling = format!("{id}{tail}/{more}");
        prop_assert!(!entry.matches(&uri(&sibling)));
    }

    #[test]
    fn changed_uri_byte_never_matches(at in path(), index: prop::sample::Index, to: u8) {
        let id = format!("spiffe://td/{at}");
        let mut changed = id.clone().into_bytes();
        let index = index.index(changed.len());
        changed[index] = to & 0x7f;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(entry(&id).matches(&uri(&changed)), id == changed);
    }
}

#[test]
fn entry_is_shown_as_written() {
    for text in ["A.example", "*.a.example", "spiffe://a/b/*", "::1"] {
        assert_eq!(entry(text).to_string(), text);
        assert_eq!(entry(text).as_str(), text);
    }
}

/// A dotted scheme is a host only before digits.
#[test]
fn scheme_with_dot_or_digits_is_a_uri() {
    for text in ["com.example.app:path", "tel:5551234", "localhost:name"] {
        assert!(entry(text).matches(&uri(text)), "{text}");
    }
    for (text, said) in [
        ("a.example:443", "a name has no port"),
        ("localhost:443", "a name has no port"),
        ("a.example:", "nothing after its scheme"),
        ("1a:b", "DNS name"),
        ("a_b:c", "DNS name"),
    ] {
        let error = text.parse::<AllowedSan>().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn longest_names_are_taken() {
    let label = "a".repeat(63);
    let name = |last: usize| format!("{label}.{label}.{label}.{}", "a".repeat(last));
    assert_eq!(name(61).len(), 253);
    for (text, fits) in [
        (format!("{label}.example"), true),
        (format!("a{label}.example"), false),
        (name(61), true),
        (name(62), false),
        (format!("spiffe://{}", "a".repeat(255)), true),
        (format!("spiffe://{}", "a".repeat(256)), false),
        (format!("spiffe://a/{}", "b".repeat(2048 - 11)), true),
        (format!("spiffe://a/{}", "b".repeat(2048 - 10)), false),
    ] {
        assert_eq!(
            text.parse::<AllowedSan>().is_ok(),
            fits,
            "{} bytes",
            text.len()
        );
    }
}

#[test]
fn narrower_list_is_a_proper_subset() {
    let list = |text: &str| -> Vec<String> { text.split_whitespace().map(Into::into).collect() };
    for (now, before, is_narrower_now) in [
        ("a", "", true),
        ("", "", false),
        ("", "a", false),
        ("a", "a b", true),
        ("b", "a b c", true),
        ("a", "a", false),
        ("a b", "b a", false),
        ("x", "a", false),
        ("a x", "a b c", false),
        ("a b", "a", false),
    ] {
        assert_eq!(
            is_narrower(&list(now), &list(before)),
            is_narrower_now,
            "{now} of {before}"
        );
    }
}
