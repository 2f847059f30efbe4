//! E-mail addresses in certificates (RFC 5280 §4.2.1.6, RFC 5321 §4.1.2).

use super::dns;

/// Splits an address into local part and domain, and checks both.
///
/// Quoted local parts and address literals are not supported.
///
/// # Errors
/// Names the violated rule.
pub(crate) fn split(address: &str) -> Result<(&str, &str), &'static str> {
    /// RFC 5321 §4.5.3.1.1.
    const MAX_LOCAL_BYTES: usize = 64;
    let parts = address
        .rsplit_once('@')
        .ok_or("an e-mail address needs an '@'")?;
    let (local, domain) = parts;
    if local.is_empty() {
        return Err("an e-mail address needs a local part before '@'");
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(allowed);
    if local.len() > MAX_LOCAL_BYTES || !local.split('.').all(is_atom) {
        return Err("the part before '@' is not a valid local part of an e-mail address");
    }
    if domain.is_empty() {
        return Err("an e-mail address needs a domain after '@'");
    }
    dns::check(domain)?;
    Ok(parts)
}
