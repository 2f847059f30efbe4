//! Settings with a few words to choose from.

use super::ValueError;
use crate::Backend;

/// An enum whose variants have words in a configuration; [`choice!`](crate::choice) implements it.
pub trait Choice: Copy + 'static {
    /// The variants, in the order of [`WORDS`](Self::WORDS).
    const ALL: &'static [Self];
    /// The words of the variants.
    const WORDS: &'static [&'static str];

    /// Returns the variant of a word.
    ///
    /// # Errors
    /// When no variant has this word; the text lists the words.
    fn from_word(word: &str) -> Result<Self, ValueError> {
        let at = Self::WORDS.iter().position(|known| *known == word);
        at.and_then(|at| Self::ALL.get(at).copied())
            .ok_or_else(|| ValueError::new(format!("must be {}", enumerate(Self::WORDS))))
    }
}

/// Joins words to `a, b or c`.
pub(super) fn enumerate(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Gives an enum its words in a configuration: [`Choice`](crate::schema::Choice) and `as_str`.
///
/// ```
/// use transport_core::schema::Choice;
///
/// #[derive(Debug, Clone, Copy, PartialEq)]
/// pub enum Color {
///     Red,
///     Green,
/// }
///
/// transport_core::choice!(pub Color { Red: "red", Green: "green" });
///
/// assert_eq!(Color::Red.as_str(), "red");
/// assert_eq!(Color::from_word("green"), Ok(Color::Green));
/// let error = Color::from_word("blue").unwrap_err();
/// assert_eq!(error.to_string(), "must be red or green");
/// ```
#[macro_export]
macro_rules! choice {
    ($visibility:vis $name:ident { $($variant:ident: $word:literal),+ $(,)? }) => {
        impl $name {
            /// Returns the word in a configuration.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl $crate::schema::Choice for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const WORDS: &'static [&'static str] = &[$($word),+];
        }
    };
}

impl Choice for Backend {
    const ALL: &'static [Self] = &Backend::ALL;
    const WORDS: &'static [&'static str] = &["tcp", "tls", "uds", "arti"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_words_match_names() {
        let names = Backend::ALL.map(Backend::as_str);
        assert_eq!(<Backend as Choice>::WORDS, names);
        for backend in Backend::ALL {
            assert_eq!(Backend::from_word(backend.as_str()), Ok(backend));
        }
        let error = Backend::from_word("TCP").unwrap_err().to_string();
        assert_eq!(error, "must be tcp, tls, uds or arti");
    }
}
