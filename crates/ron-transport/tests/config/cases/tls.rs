//! The keys of TLS.

use super::{case, Case};

const PIN: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

pub(super) const TLS: &[Case] = &[
    case(
        "tls.enabled",
        "",
        ["OFF", "false"],
        ["no", "on, off, true or false"],
    ),
    case("tls.cert_path", "", ["/a/b.pem", "/a/b.pem"], [""; 2]),
    case("tls.key_path", "", ["/a/b.pem", "<set>"], [""; 2]),
    case("tls.client_ca_path", "", ["/a/b.pem", "/a/b.pem"], [""; 2]),
    case(
        "tls.client_auth",
        "off",
        ["required", "required"],
        ["yes", "off, optional or required"],
    ),
    case(
        "tls.allow_sans",
        "",
        ["a.example, b.example", "a.example,b.example"],
        [
            "spiffe://",
            "can never match: a SPIFFE ID needs a trust domain",
        ],
    ),
    case("tls.spki_pins", "", [PIN, PIN], ["abc", "is not a pin"]),
    case(
        "tls.crl_path",
        "",
        ["/a/b.crl, /c/d.der", "/a/b.crl,/c/d.der"],
        [""; 2],
    ),
    case("tls.ticket_keys_path", "", ["/a/b", "<set>"], [""; 2]),
    case("tls.alpn", "", ["h2, oap/1", "h2,oap/1"], [""; 2]),
    case(
        "tls_client.trust_store",
        "system",
        ["path", "path"],
        ["none", "system or path"],
    ),
    case(
        "tls_client.ca_bundle_path",
        "",
        ["/a/b.pem", "/a/b.pem"],
        [""; 2],
    ),
    case(
        "tls_client.crl_path",
        "",
        ["/a/b.crl, /c/d.der", "/a/b.crl,/c/d.der"],
        [""; 2],
    ),
    case(
        "tls_client.sni_override",
        "",
        ["a.example", "a.example"],
        ["a b", "a DNS name or an IP address"],
    ),
    case(
        "tls_client.allow_sans",
        "",
        ["spiffe://td/a/*, ::1", "spiffe://td/a/*,::1"],
        ["no t a name", "can never match: it has a space"],
    ),
    case(
        "tls_client.spki_pins",
        "",
        [PIN, PIN],
        ["abc", "is not a pin"],
    ),
    case("tls_client.alpn", "", ["h2", "h2"], [""; 2]),
    case(
        "tls_client.cert_path",
        "",
        ["/a/b.pem", "/a/b.pem"],
        [""; 2],
    ),
    case("tls_client.key_path", "", ["/a/b.pem", "<set>"], [""; 2]),
    case(
        "pq.mode",
        "off",
        ["hybrid", "hybrid"],
        ["on", "off, hybrid or required"],
    ),
];
