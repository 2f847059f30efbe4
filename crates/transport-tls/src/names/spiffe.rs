//! SPIFFE IDs (SPIFFE-ID standard, §2).

/// The scheme, which must be lower case.
pub(crate) const SCHEME: &str = "spiffe";

/// Checks a SPIFFE ID: `spiffe://trust-domain/path`, with an optional path.
///
/// # Errors
/// Names the violated rule.
pub(crate) fn check(id: &str) -> Result<(), &'static str> {
    const MAX_ID_BYTES: usize = 2048;
    const MAX_TRUST_DOMAIN_BYTES: usize = 255;
    let rest = id.strip_prefix("spiffe://");
    let rest = rest.ok_or("a SPIFFE ID starts with spiffe://, in lower case")?;
    if id.len() > MAX_ID_BYTES {
        return Err("a SPIFFE ID has at most 2048 bytes");
    }
    let (domain, path) = match rest.split_once('/') {
        Some((domain, path)) => (domain, Some(path)),
        None => (rest, None),
    };
    if domain.is_empty() {
        return Err("a SPIFFE ID needs a trust domain after spiffe://");
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    if domain.len() > MAX_TRUST_DOMAIN_BYTES || !domain.bytes().all(allowed) {
        return Err(
            "a SPIFFE trust domain has at most 255 lower-case letters, digits, '-', '.' and '_', \
             and no port",
        );
    }
    path.map_or(Ok(()), check_path)
}

/// Checks the path after its first slash.
fn check_path(path: &str) -> Result<(), &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    for segment in path.split('/') {
        if segment.is_empty() {
            return Err("a segment of the SPIFFE path is empty");
        }
        if segment == "." || segment == ".." {
            return Err("a SPIFFE path has no segments '.' and '..'");
        }
        if !segment.bytes().all(allowed) {
            return Err(
                "a SPIFFE path has only letters, digits, '-', '.' and '_': no query, no fragment, \
                 no '%', and '*' only as the last segment of an entry",
            );
        }
    }
    Ok(())
}
