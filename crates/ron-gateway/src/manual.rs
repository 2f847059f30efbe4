//! `generate`: manual pages and shell completions.
//!
//! They follow the table of the command line and the keys of the build.

mod bash;
mod candidates;
mod fish;
mod page;
mod roff;
mod settings_page;
mod zsh;

/// A text that `generate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generated {
    /// The manual page of the program: `ron-gateway(1)`.
    Man,
    /// The manual page of the configuration: `ron-gateway.toml(5)`.
    ManToml,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

ron_transport::schema::choice!(pub(crate) Generated {
    Man: "man",
    ManToml: "man-toml",
    Bash: "bash",
    Zsh: "zsh",
    Fish: "fish",
});

impl Generated {
    /// Returns the text, for the keys of this build.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Man => page::text(),
            Self::ManToml => settings_page::text(),
            Self::Bash => bash::text(),
            Self::Zsh => zsh::text(),
            Self::Fish => fish::text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ron_transport::config::{Config, Settings};
    use ron_transport::schema::Choice;

    use super::*;

    #[test]
    fn completions_have_every_key() {
        for kind in [Generated::Bash, Generated::Zsh, Generated::Fish] {
            let text = kind.text();
            for key in Config::all_keys() {
                let flag = Config::flag_name(key.path);
                let name = flag.trim_start_matches('-');
                assert!(text.contains(name), "{}: {name}", kind.as_str());
            }
        }
    }

    #[test]
    fn texts_are_ascii_with_one_final_newline() {
        for kind in Generated::ALL {
            let text = kind.text();
            assert!(text.is_ascii(), "{}", kind.as_str());
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
            assert!(!text.lines().any(|line| line.ends_with(' ')));
        }
    }
}
