//! Names: types, spellings and name constraints.

use std::slice::from_ref;

use super::{case, judge, Kind};
use crate::raw_certificates::{
    constrain, directory, dns, email, ip, other_name, registered_id, uri, Ca,
};

const ALLOWED: Option<Kind> = None;
const UNKNOWN: Option<Kind> = Some(Kind::NotAllowed);
const CONSTRAINED: Option<Kind> = Some(Kind::NameConstraint);

const V4: [u8; 4] = [192, 0, 2, 7];
const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];

#[tokio::test]
async fn san_is_matched_by_type() {
    let root = Ca::root();
    let many: Vec<_> = (0..200)
        .map(|n| dns(&format!("n{n}.evil.example")))
        .collect();
    let many = [many, vec![dns("admin.example")]].concat();
    let mut cases = vec![
        case("last of 201 names", root.leaf(&many), ALLOWED),
        case("no extension", root.leaf(&[]), UNKNOWN),
        case(
            "common name alone",
            root.leaf_with(&[], |params| {
                let kind = rcgen::DnType::CommonName;
                params.distinguished_name.push(kind, "admin.example");
            }),
            UNKNOWN,
        ),
    ];
    for (name, san, want) in [
        // Names of the right type.
        ("DNS name", dns("admin.example"), ALLOWED),
        ("DNS name in upper case", dns("ADMIN.EXAMPLE"), ALLOWED),
        (
            "A-label in mixed case",
            dns("XN--Bcher-KVA.example"),
            ALLOWED,
        ),
        ("one label below a wildcard", dns("a.wild.example"), ALLOWED),
        ("the wildcard itself", dns("*.wild.example"), ALLOWED),
        ("URI", uri("urn:example:Admin"), ALLOWED),
        ("SPIFFE ID", uri("spiffe://td/admin"), ALLOWED),
        (
            "SPIFFE ID below a path",
            uri("spiffe://td/pay/eu/1"),
            ALLOWED,
        ),
        ("IPv4 address", ip(&V4), ALLOWED),
        ("IPv6 address", ip(&V6), ALLOWED),
        ("e-mail address", email("Ann@MAIL.example"), ALLOWED),
        // Names of another type.
        ("URI with a DNS name's text", uri("admin.example"), UNKNOWN),
        (
            "e-mail with a DNS name's text",
            email("admin.example"),
            UNKNOWN,
        ),
        (
            "e-mail at the DNS name",
            email("root@admin.example"),
            UNKNOWN,
        ),
        (
            "DNS name with a URI's text",
            dns("spiffe://td/admin"),
            UNKNOWN,
        ),
        ("DNS name with an address", dns("192.0.2.7"), UNKNOWN),
        ("DNS name with an IPv6 address", dns("2001:db8::7"), UNKNOWN),
        ("URI with an address", uri("192.0.2.7"), UNKNOWN),
        ("address of 9 text bytes", ip(b"192.0.2.7"), UNKNOWN),
        (
            "DNS name with an e-mail address",
            dns("Ann@mail.example"),
            UNKNOWN,
        ),
        (
            "URI with an e-mail address",
            uri("mailto:Ann@mail.example"),
            UNKNOWN,
        ),
        ("other name", other_name("admin.example"), UNKNOWN),
        (
            "other name with an e-mail address",
            other_name("Ann@mail.example"),
            UNKNOWN,
        ),
        ("directory name", directory("admin.example"), UNKNOWN),
        ("registered ID", registered_id(), UNKNOWN),
        // Names with another spelling.
        ("trailing dot", dns("admin.example."), UNKNOWN),
        ("NUL at the end", dns("admin.example\0"), UNKNOWN),
        ("NUL inside", dns("admin.example\0.evil.test"), UNKNOWN),
        ("name below", dns("x.admin.example"), UNKNOWN),
        ("name as a prefix", dns("admin.example.evil.test"), UNKNOWN),
        ("wildcard over the name", dns("*.example"), UNKNOWN),
        (
            "two labels below a wildcard",
            dns("a.b.wild.example"),
            UNKNOWN,
        ),
        ("base of a wildcard", dns("wild.example"), UNKNOWN),
        ("partial wildcard", dns("a*.wild.example"), UNKNOWN),
        (
            "bytes that are not ASCII",
            dns("\u{430}dmin.example"),
            UNKNOWN,
        ),
        ("U-label", dns("b\u{fc}cher.example"), UNKNOWN),
        ("leading space", dns(" admin.example"), UNKNOWN),
        ("URI in another case", uri("urn:example:aDMIN"), UNKNOWN),
        (
            "SPIFFE ID in another case",
            uri("spiffe://td/Admin"),
            UNKNOWN,
        ),
        (
            "SPIFFE ID, percent-encoded",
            uri("spiffe://td/%61dmin"),
            UNKNOWN,
        ),
        ("SPIFFE ID with a slash", uri("spiffe://td/admin/"), UNKNOWN),
        (
            "SPIFFE ID of the path itself",
            uri("spiffe://td/pay"),
            UNKNOWN,
        ),
        (
            "SPIFFE ID beside the path",
            uri("spiffe://td/payroll/1"),
            UNKNOWN,
        ),
        (
            "SPIFFE ID with dot segments",
            uri("spiffe://td/pay/../admin"),
            UNKNOWN,
        ),
        (
            "SPIFFE ID with a query",
            uri("spiffe://td/pay/a?b"),
            UNKNOWN,
        ),
        (
            "SPIFFE ID with a fragment",
            uri("spiffe://td/pay/a#b"),
            UNKNOWN,
        ),
        (
            "SPIFFE ID with a port",
            uri("spiffe://td:443/pay/a"),
            UNKNOWN,
        ),
        ("SPIFFE ID with a NUL", uri("spiffe://td/pay/a\0"), UNKNOWN),
        ("v4-mapped address", ip(&MAPPED), UNKNOWN),
        ("another address", ip(&[192, 0, 2, 8]), UNKNOWN),
        (
            "address and mask",
            ip(&[192, 0, 2, 7, 255, 255, 255, 255]),
            UNKNOWN,
        ),
        (
            "local part in another case",
            email("ann@mail.example"),
            UNKNOWN,
        ),
        (
            "e-mail below the domain",
            email("Ann@x.mail.example"),
            UNKNOWN,
        ),
        ("e-mail with a NUL", email("Ann@mail.example\0"), UNKNOWN),
    ] {
        cases.push(case(name, root.leaf(from_ref(&san)), want));
        if want == UNKNOWN {
            // Other names of the certificate do not change the result.
            let both = [san, dns("other.example")];
            cases.push(case(name, root.leaf(&both), want));
        }
    }
    judge(&root, cases).await;
}

/// At least as strict as OpenSSL.
///
/// webpki processes each type as OpenSSL does, except `directoryName`. It refuses a name of a type
/// whose constraints it does not process.
#[tokio::test]
async fn name_constraints_of_authority() {
    let root = Ca::root();
    let permitted = |names: &[Vec<u8>]| {
        let extension = constrain(names, &[]);
        root.below(|params| params.custom_extensions.push(extension))
    };
    let excluded = |names: &[Vec<u8>]| {
        let extension = constrain(&[], names);
        root.below(|params| params.custom_extensions.push(extension))
    };
    let net = |last: u8| ip(&[192, 0, 2, last, 255, 255, 255, 255]);
    let evil = permitted(&[dns("evil.example")]);
    let mut cases = Vec::new();
    let mut row = |name, ca: &Ca, names: &[Vec<u8>], want| {
        cases.push(case(name, ca.leaf(names), want));
    };
    row(
        "DNS permitted: its own",
        &evil,
        &[dns("x.evil.example")],
        UNKNOWN,
    );
    row(
        "DNS permitted: another",
        &evil,
        &[dns("admin.example")],
        CONSTRAINED,
    );
    row(
        "DNS permitted: as a URI",
        &evil,
        &[uri("admin.example")],
        UNKNOWN,
    );
    let both = [dns("x.evil.example"), uri("admin.example")];
    row("DNS permitted: both", &evil, &both, UNKNOWN);
    // RFC 5280 §4.2.1.10: a constraint restricts names of its own type.
    row(
        "DNS permitted: a SPIFFE ID",
        &evil,
        &[uri("spiffe://td/admin")],
        ALLOWED,
    );
    let admin = permitted(&[dns("admin.example")]);
    row(
        "DNS permitted: the entry",
        &admin,
        &[dns("admin.example")],
        ALLOWED,
    );
    let not_admin = excluded(&[dns("admin.example")]);
    row(
        "DNS excluded: the name",
        &not_admin,
        &[dns("admin.example")],
        CONSTRAINED,
    );
    row(
        "DNS excluded: as a URI",
        &not_admin,
        &[uri("admin.example")],
        UNKNOWN,
    );
    row(
        "DNS excluded: another",
        &not_admin,
        &[dns("a.wild.example")],
        ALLOWED,
    );

    let uris = permitted(&[uri("td")]);
    row(
        "URI permitted: any URI",
        &uris,
        &[uri("spiffe://td/admin")],
        CONSTRAINED,
    );
    row(
        "URI permitted: as DNS",
        &uris,
        &[dns("spiffe://td/admin")],
        UNKNOWN,
    );
    row(
        "URI permitted: a DNS name",
        &uris,
        &[dns("admin.example")],
        ALLOWED,
    );
    let no_uris = excluded(&[uri("evil")]);
    row(
        "URI excluded: any URI",
        &no_uris,
        &[uri("spiffe://td/admin")],
        CONSTRAINED,
    );

    let net7 = permitted(&[net(7)]);
    row("IP permitted: inside", &net7, &[ip(&V4)], ALLOWED);
    let net8 = permitted(&[net(8)]);
    row("IP permitted: outside", &net8, &[ip(&V4)], CONSTRAINED);
    row(
        "IP permitted: the other family",
        &net8,
        &[ip(&V6)],
        CONSTRAINED,
    );
    let not_net7 = excluded(&[net(7)]);
    row("IP excluded: inside", &not_net7, &[ip(&V4)], CONSTRAINED);
    row(
        "IP excluded: as DNS",
        &not_net7,
        &[dns("192.0.2.7")],
        UNKNOWN,
    );

    let mail = permitted(&[email("mail.example")]);
    row(
        "e-mail permitted: any e-mail",
        &mail,
        &[email("Ann@mail.example")],
        CONSTRAINED,
    );
    row(
        "e-mail permitted: a DNS name",
        &mail,
        &[dns("admin.example")],
        ALLOWED,
    );
    let no_mail = excluded(&[email("evil.example")]);
    row(
        "e-mail excluded: any e-mail",
        &no_mail,
        &[email("Ann@mail.example")],
        CONSTRAINED,
    );

    let subject = permitted(&[directory("evil")]);
    row(
        "directory permitted",
        &subject,
        &[dns("admin.example")],
        CONSTRAINED,
    );
    let no_subject = excluded(&[directory("evil")]);
    row(
        "directory excluded",
        &no_subject,
        &[dns("admin.example")],
        CONSTRAINED,
    );

    // A constraint applies to the whole path below it.
    let below = evil.below(|_| {});
    row(
        "constraint two levels above",
        &below,
        &[dns("admin.example")],
        CONSTRAINED,
    );
    judge(&root, cases).await;
}

#[tokio::test]
async fn name_constraints_of_root() {
    let anchor = Ca::root();
    let extension = constrain(&[dns("evil.example")], &[]);
    let root = anchor.below(|params| params.custom_extensions.push(extension));
    let cases = vec![
        case(
            "another name",
            root.leaf(&[dns("admin.example")]),
            CONSTRAINED,
        ),
        case("as a URI", root.leaf(&[uri("admin.example")]), UNKNOWN),
    ];
    judge(&root, cases).await;
}
