//! Absolute URIs (RFC 3986; RFC 5280 §4.2.1.6 excludes relative ones).

use std::net::Ipv6Addr;

/// Splits a text after its scheme; `None` without a scheme.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let valid = bytes.next()?.is_ascii_alphabetic() && bytes.all(allowed);
    valid.then_some((scheme, rest))
}

/// Checks an absolute URI; an authority must have a host.
///
/// # Errors
/// Names the violated rule.
pub(crate) fn check(uri: &str) -> Result<(), &'static str> {
    let (_, rest) = split_scheme(uri).ok_or("a URI needs a scheme")?;
    if rest.is_empty() {
        return Err("the URI has nothing after its scheme");
    }
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            check_authority(authority)?;
            path
        }
        None => rest,
    };
    let (path, fragment) = path.split_once('#').unwrap_or((path, ""));
    check_chars(path, b":@/?")?;
    check_chars(fragment, b":@/?")
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    check_chars(user, b":")?;
    let port = if let Some(literal) = host.strip_prefix('[') {
        let end = "'[' in a URI starts an IPv6 address, which ends with ']'";
        let (address, port) = literal.split_once(']').ok_or(end)?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err("the URI has no IPv6 address between '[' and ']'");
        }
        port
    } else {
        let end = host.find(':').unwrap_or(host.len());
        let (name, port) = host.split_at(end);
        if name.is_empty() {
            return Err("the URI has no host after '//'");
        }
        check_chars(name, b"")?;
        port
    };
    let is_port = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
        return Ok(());
    }
    Err("the port of the URI is not a number")
}

/// Checks for the characters of RFC 3986 §2 and those of `more`.
fn check_chars(text: &str, more: &[u8]) -> Result<(), &'static str> {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b) || more.contains(&b);
    if !text.bytes().all(allowed) {
        return Err("the URI has a character that RFC 3986 does not allow there");
    }
    let encoded = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if text.split('%').skip(1).all(encoded) {
        return Ok(());
    }
    Err("'%' in a URI is followed by two hexadecimal digits")
}
