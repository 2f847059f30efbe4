//! The flags to complete, with their values.

use ron_transport::config::{Config, Settings};
use ron_transport::schema::{Choice, Key, Kind};

use crate::cli::FLAGS;
use crate::manual::Generated;
use crate::settings::Gateway;

/// The values of a flag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FlagValues {
    /// The flag has no value.
    None,
    /// One of these words.
    Words(Vec<&'static str>),
    /// The path of a file or directory.
    Path,
    /// Any text; nothing is completed.
    Text,
}

/// A flag with the data for its completion.
pub(super) struct Candidate {
    /// With its dashes.
    pub(super) long: String,
    pub(super) short: Option<&'static str>,
    /// One line without markup.
    pub(super) help: String,
    pub(super) values: FlagValues,
}

/// Returns the flags in the order of the manual.
pub(super) fn candidates() -> Vec<Candidate> {
    let own = FLAGS.iter().map(|flag| Candidate {
        long: flag.long.to_owned(),
        short: flag.short,
        help: flag.help.to_owned(),
        values: match flag.value {
            None => FlagValues::None,
            Some("FILE") => FlagValues::Path,
            Some(_) => FlagValues::Text,
        },
    });
    own.chain(of::<Config>()).chain(of::<Gateway>()).collect()
}

/// Returns the words after `generate`.
pub(super) fn generated_words() -> String {
    Generated::WORDS.join(" ")
}

fn of<S: Settings>() -> impl Iterator<Item = Candidate> {
    let candidate = |key: &'static Key| Candidate {
        long: S::flag_name(key.path),
        short: None,
        help: first_sentence(key.doc),
        values: match key.kind {
            Kind::Bool => FlagValues::Words(vec!["on", "off"]),
            Kind::Choice(words) => FlagValues::Words(words.to_vec()),
            Kind::Path(_) | Kind::Paths => FlagValues::Path,
            _ => FlagValues::Text,
        },
    };
    S::all_keys().into_iter().map(candidate)
}

/// Returns the first sentence without its full stop and backticks.
fn first_sentence(doc: &str) -> String {
    let end = doc.find(". ").unwrap_or(doc.len());
    doc[..end].trim_end_matches('.').replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentence_ends_at_first_full_stop() {
        assert_eq!(
            first_sentence("Sends `x.y` at once. More."),
            "Sends x.y at once"
        );
        assert_eq!(first_sentence("One."), "One");
    }

    #[test]
    fn value_kinds_follow_the_schema() {
        let all = candidates();
        let values = |flag: &str| {
            let found = all.iter().find(|candidate| candidate.long == flag);
            &found.unwrap().values
        };
        assert_eq!(values("--config"), &FlagValues::Path);
        assert_eq!(values("--echo"), &FlagValues::None);
        assert_eq!(values("--admin"), &FlagValues::Text);
        let backends = FlagValues::Words(vec!["tcp", "tls", "uds", "arti"]);
        assert_eq!(values("--transport.backend"), &backends);
        let switch = FlagValues::Words(vec!["on", "off"]);
        assert_eq!(values("--transport.tcp.nodelay"), &switch);
    }
}
