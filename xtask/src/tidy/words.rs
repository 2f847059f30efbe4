//! References to places and papers outside of the repository.

use super::source::is_word;
use super::Finding;

/// Home directories and registry hosts.
///
/// The parts are joined by the compiler, so that this file passes the check.
const PLACES: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
    concat!("pypi", ".org"),
    concat!("python", "hosted"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs"),
];

/// Finds paths of a developer's machine and hosts of package registries.
pub(super) fn places(path: &str, text: &str) -> Vec<Finding> {
    if path == "Cargo.lock" {
        return Vec::new();
    }
    each_line(path, text, |line| {
        let place = PLACES.iter().find(|place| {
            line.match_indices(*place).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + place.len()..].chars().next();
                let inside = before.is_some_and(|c| is_word(c) || matches!(c, '.' | '-' | '/'));
                let longer = !place.ends_with('/') && after.is_some_and(|c| is_word(c) || c == '-');
                // In the middle of a longer path or a URL it is another path.
                !(place.starts_with('/') && (inside || longer))
            })
        });
        place.map(|place| format!("`{place}` exists on one machine only: remove it"))
    })
}

/// Finds references to numbered work items.
pub(super) fn issues(path: &str, text: &str) -> Vec<Finding> {
    if path == "Cargo.lock" {
        return Vec::new();
    }
    each_line(path, text, |line| {
        let mut words = line.split_whitespace();
        let mut before = "";
        let hit = words.any(|word| {
            let number = word
                .trim_start_matches('#')
                .starts_with(|c: char| c.is_ascii_digit());
            let issue = before
                .trim_start_matches(['(', '"', '`'])
                .eq_ignore_ascii_case("issue");
            before = word;
            issue && number
        });
        hit.then(|| {
            "a numbered issue is outside of the repository: state the reason instead".into()
        })
    })
}

fn each_line(path: &str, text: &str, check: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| Some(Finding::new(path, at + 1, check(line)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found() {
        for place in PLACES {
            let text = format!("fine\nsee `{place}` there\n");
            assert_eq!(
                places("README.md", &text).first().map(|f| f.line),
                Some(2),
                "{place}"
            );
            assert!(places("Cargo.lock", &text).is_empty());
        }
        assert_eq!(places("a.rs", &format!("{}/main", PLACES[1])).len(), 1);
    }

    #[test]
    fn similar_paths_pass() {
        for good in [
            "a/workers",
            "frame/work",
            "/workspace",
            "target/work",
            "./home/x",
            "/rooted",
        ] {
            assert!(places("a.md", good).is_empty(), "{good}");
        }
    }

    #[test]
    fn numbered_issue_is_found() {
        for number in ["7", "#7", "12)"] {
            assert_eq!(
                issues("a.md", &format!("see {} {number}", "issue")).len(),
                1,
                "{number}"
            );
        }
        assert!(issues("a.md", "an issue of taste; tokio#1234; the issue is open").is_empty());
    }
}
