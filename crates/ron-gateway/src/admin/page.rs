//! The status page: one document that requests only `/status` and its subpaths.

/// The document, with style and script inline.
pub(super) const HTML: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<title>ron-gateway</title>\n<style>",
    include_str!("page/style.css"),
    "</style>\n</head>\n<body>\n",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/script.js"),
    "</script>\n</body>\n</html>\n",
);

/// The content security policy of the page.
///
/// It allows only this style, this script, and requests to the origin of the page. The hashes are
/// SHA-256 of the text between the tags; a failing test prints them.
pub(super) const POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self'; ",
    "style-src 'sha256-qz+C0voYH92RcyASLtXgrZGM+i+pLm/Qdc+kALf+99c='; ",
    "script-src 'sha256-b81/cGlgankyDjUpHcFdjLB1incHRi2yx8DMR7xB1gQ='; ",
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text between two tags that occur once.
    fn between<'a>(open: &str, close: &str) -> &'a str {
        assert_eq!(
            (HTML.matches(open).count(), HTML.matches(close).count()),
            (1, 1)
        );
        let (_, rest) = HTML.split_once(open).unwrap();
        rest.split_once(close).unwrap().0
    }

    #[cfg(feature = "tls")]
    #[test]
    fn policy_allows_this_style_and_script() {
        for (kind, open, close) in [
            ("style", "<style>", "</style>"),
            ("script", "<script>", "</script>"),
        ] {
            let digest = aws_lc_rs::digest::digest(
                &aws_lc_rs::digest::SHA256,
                between(open, close).as_bytes(),
            );
            let allowed = format!("{kind}-src 'sha256-{}';", base64(digest.as_ref()));
            assert!(POLICY.contains(&allowed), "page.rs needs {allowed}");
        }
    }

    #[cfg(feature = "tls")]
    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = (0..3).fold(0, |bits, at| {
                bits << 8 | usize::from(three.get(at).copied().unwrap_or(0))
            });
            for digit in 0..4 {
                text.push(match digit > three.len() {
                    true => '=',
                    false => char::from(DIGITS[bits >> (18 - 6 * digit) & 63]),
                });
            }
        }
        text
    }

    #[test]
    fn no_external_resource_and_no_inner_html() {
        for part in ["http:", "https:", "//cdn", "src=", "@import", "url("] {
            assert!(!HTML.contains(part), "{part}");
        }
        let script = between("<script>", "</script>");
        for part in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
        ] {
            assert!(!script.contains(part), "{part}");
        }
        // A policy without `unsafe-inline` ignores these.
        for part in [" style=\"", " onclick", " onload"] {
            assert!(!HTML.contains(part), "{part}");
        }
    }

    #[test]
    fn every_reason_has_a_description() {
        let script = between("<script>", "</script>");
        for reason in ron_transport::Reason::ALL {
            assert!(
                script.contains(&format!("  {}: \"", reason.as_str())),
                "{reason:?}"
            );
        }
        let degraded = ron_transport::ReadyReason::DEGRADED;
        for reason in degraded
            .into_iter()
            .chain(ron_transport::ReadyReason::NOT_READY)
        {
            assert!(
                script.contains(&format!("  {}: \"", reason.as_str())),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn every_shown_metric_exists() {
        let script = between("<script>", "</script>");
        let own = super::super::metrics::render(super::super::metrics::ServiceFigures {
            conns: 1,
            peer_conns: 1,
            started: 1.0,
            log_lines_dropped: 0,
            admin_requests: 0,
            admin_evicted: 0,
            memory_pressure: 0.0,
            tasks: 1,
        });
        let mut shown = 0;
        for word in script.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()) {
            let looks_like_one = ["_total", "_seconds", "_bytes", "_bucket", "_limit", "_fds"]
                .iter()
                .any(|end| word.ends_with(end) && !word.starts_with("_"));
            if !looks_like_one
                || ron_transport::Reason::ALL
                    .iter()
                    .any(|r| r.as_str() == word)
            {
                continue;
            }
            let name = word.trim_end_matches("_bucket");
            let known = ron_transport::metrics::METRICS
                .iter()
                .any(|m| m.name == name)
                || own.contains(&format!("# TYPE {name} "));
            // A configuration key with the ending of a metric.
            assert!(known || ["max_frame_bytes"].contains(&word), "{word}");
            shown += 1;
        }
        assert!(shown > 10);
    }
}
