//! DNS names in certificates (RFC 5280 §4.2.1.6, RFC 6125 §6.4).

/// Returns the base of a name whose leftmost label is `*`.
pub(crate) fn strip_wildcard(name: &str) -> Option<&str> {
    name.strip_prefix("*.")
}

/// Checks the base of a wildcard.
///
/// It needs at least two labels, as in OpenSSL and webpki.
///
/// # Errors
/// Names the violated rule.
pub(crate) fn check_wildcard(base: &str) -> Result<(), &'static str> {
    check(base)?;
    if base.contains('.') {
        return Ok(());
    }
    Err("a wildcard needs at least two labels after it, as in *.example.com")
}

/// Checks a name without a wildcard: letters, digits, `-` and `_` in labels.
///
/// # Errors
/// Names the violated rule.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    /// RFC 1035 §2.3.4, without the root's empty label.
    const MAX_NAME_BYTES: usize = 253;
    const MAX_LABEL_BYTES: usize = 63;
    if name.len() > MAX_NAME_BYTES {
        return Err("a DNS name has at most 253 bytes");
    }
    if name.ends_with('.') {
        return Err("a DNS name in a certificate has no dot at its end");
    }
    for label in name.split('.') {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if label.is_empty() {
            return Err("a label of the DNS name is empty");
        }
        if label.contains('*') {
            return Err("a wildcard is the whole leftmost label, as in *.example.com");
        }
        if !label.bytes().all(allowed) {
            return Err("a DNS name has only letters, digits, '-', '_' and '.'");
        }
        if label.len() > MAX_LABEL_BYTES {
            return Err("a label of a DNS name has at most 63 bytes");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a label of a DNS name does not start or end with '-'");
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("it is neither an IP address nor a DNS name: its last label is a number");
    }
    Ok(())
}
