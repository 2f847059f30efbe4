//! The command line: the command and the configuration flags.

mod error;
mod help;
mod table;

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser, ValueExt};
use ron_transport::config::{Config, Settings};
use ron_transport::schema::Choice;

use crate::exit::ExitFailure;
use crate::manual::Generated;
use crate::settings::{Gateway, Mode};
use crate::startup::Sources;
use crate::{check, dial, service, term};

pub(crate) use error::UsageError;
pub(crate) use help::NOTES;
pub(crate) use table::{CliFlag, COMMANDS, FLAGS, KEY_FLAGS};

/// A parsed command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the service.
    Run(Sources),
    /// Validate the configuration and print it.
    Check(Sources),
    /// Connect once.
    Dial(Sources, String),
    /// Print a manual page or completions.
    Generate(Generated),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

impl Command {
    pub(crate) fn run(self) -> Result<(), ExitFailure> {
        match self {
            Self::Run(sources) => service::run(&sources),
            Self::Check(sources) => check::run(&sources),
            Self::Dial(sources, target) => dial::run(&sources, &target),
            Self::Generate(what) => {
                term::out(&what.text());
                Ok(())
            }
            Self::Help => {
                term::out(&help::text());
                Ok(())
            }
            Self::Version => {
                term::out(concat!("ron-gateway ", env!("CARGO_PKG_VERSION"), "\n"));
                Ok(())
            }
        }
    }
}

/// Parses the command line, including the program name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_iter(args);
    let mut line = CommandLine::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Long("config") => line.sources.files.push(parser.value()?.into()),
            Arg::Long("echo") => line.mode(Mode::Echo)?,
            Arg::Long("echo-frames") => line.mode(Mode::EchoFrames)?,
            Arg::Long("forward") => {
                line.mode(Mode::Forward)?;
                line.forward_to.push(parser.value()?);
            }
            Arg::Long("admin") => line.flag("gateway.admin-addr", parser.value()?),
            Arg::Long("dev-tls") if cfg!(feature = "tls") => line.dev_tls(),
            Arg::Long("dev-tls") => return Err(UsageError::NoTls),
            Arg::Long(name) if name.contains('.') => {
                let name = name.to_owned();
                line.flag(name, parser.value()?);
            }
            Arg::Long(name) => return Err(UsageError::flag(&format!("--{name}"), &known_flags())),
            Arg::Short(letter) => {
                return Err(UsageError::flag(&format!("-{letter}"), &known_flags()))
            }
            Arg::Value(word) => line.word(word.string()?)?,
        }
    }
    line.command()
}

/// The arguments parsed so far.
#[derive(Default)]
struct CommandLine {
    sources: Sources,
    mode: Option<Mode>,
    /// The values of `--forward`.
    forward_to: Vec<OsString>,
    words: Vec<String>,
}

impl CommandLine {
    fn flag(&mut self, name: impl Into<String>, value: OsString) {
        self.sources.flags.push((name.into(), value));
    }

    /// Also sets `backend = "tls"`. `dev_tls::make` rejects a flag that sets another backend.
    fn dev_tls(&mut self) {
        self.sources.dev_tls = true;
        self.flag("transport.backend", "tls".into());
    }

    fn mode(&mut self, mode: Mode) -> Result<(), UsageError> {
        if self.mode.is_some_and(|given| given != mode) {
            return Err(UsageError::TwoModes);
        }
        self.mode = Some(mode);
        self.flag("gateway.mode", mode.as_str().into());
        Ok(())
    }

    /// Adds a positional argument: first the command, then its target.
    fn word(&mut self, word: String) -> Result<(), UsageError> {
        let is_command = |name: &str| COMMANDS.iter().find(|command| command.name == name);
        match self.words.first() {
            None if is_command(&word).is_none() => {
                let known: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
                return Err(UsageError::command(&word, &known));
            }
            Some(command)
                if self.words.len() > 1
                    || is_command(command)
                        .and_then(|command| command.argument)
                        .is_none() =>
            {
                return Err(UsageError::Surplus(word))
            }
            _ => {}
        }
        self.words.push(word);
        Ok(())
    }

    fn command(mut self) -> Result<Command, UsageError> {
        if !self.forward_to.is_empty() {
            let targets = std::mem::take(&mut self.forward_to);
            self.flag("gateway.forward-to", targets.join(OsStr::new(",")));
        }
        let mut words = self.words.into_iter();
        match (words.next().as_deref(), words.next()) {
            (Some("check"), _) => Ok(Command::Check(self.sources)),
            (Some("dial"), Some(target)) => Ok(Command::Dial(self.sources, target)),
            (Some("dial"), None) => Err(UsageError::NoTarget),
            (Some("generate"), what) => Generated::from_word(&what.unwrap_or_default())
                .map(Command::Generate)
                .map_err(|error| UsageError::Value(format!("generate: WHAT {error}"))),
            _ => Ok(Command::Run(self.sources)),
        }
    }
}

fn known_flags() -> Vec<String> {
    let transport = Config::all_keys()
        .into_iter()
        .map(|key| Config::flag_name(key.path));
    let gateway = Gateway::all_keys()
        .into_iter()
        .map(|key| Gateway::flag_name(key.path));
    let own = FLAGS.iter().map(|flag| flag.long.to_owned());
    own.chain(transport).chain(gateway).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, UsageError> {
        parse(
            std::iter::once("ron-gateway")
                .chain(args.iter().copied())
                .map(OsString::from),
        )
    }

    fn sources(args: &[&str]) -> Vec<(String, String)> {
        let Ok(Command::Run(sources)) = parsed(args) else {
            panic!("{args:?} does not parse as run");
        };
        let text = |(name, value): (String, OsString)| (name, value.into_string().unwrap());
        sources.flags.into_iter().map(text).collect()
    }

    #[test]
    fn short_flags_map_to_table_keys() {
        let given = sources(&[
            "--forward",
            "tcp://a:1",
            "--transport.max-conns=5",
            "--forward",
            "tcp://b:1",
            "--admin",
            "x",
        ]);
        let expected = [
            ("gateway.mode", "forward"),
            ("transport.max-conns", "5"),
            ("gateway.mode", "forward"),
            ("gateway.admin-addr", "x"),
            ("gateway.forward-to", "tcp://a:1,tcp://b:1"),
        ];
        let expected: Vec<_> = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(given, expected);
    }

    #[test]
    fn unknown_word_suggests_nearest() {
        for (args, nearest) in [
            (&["--ehco"][..], "--echo"),
            (&["--echo_frames"], "--echo-frames"),
            (&["--max-conns", "5"], "--transport.max-conns"),
            (&["--transport-max-conns", "5"], "--transport.max-conns"),
            (&["--forward-to", "x"], "--gateway.forward-to"),
            (&["chek"], "check"),
        ] {
            let error = parsed(args).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("did you mean {nearest}?")),
                "{error}"
            );
        }
        let error = parsed(&["--utterly-different"]).unwrap_err().to_string();
        assert!(!error.contains("mean"), "{error}");
    }

    #[test]
    fn invalid_command_lines_rejected() {
        for args in [
            &["dial"][..],
            &["dial", "a", "b"],
            &["check", "a"],
            &["--config"],
            &["--echo", "--forward", "tcp://a:1"],
            &["--echo=on"],
            &["-x"],
            &["--transport.max-conns"],
        ] {
            assert!(parsed(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn every_flag_of_the_table_parses() {
        for flag in FLAGS {
            let args = [Some(flag.long), flag.value];
            let args: Vec<_> = args.into_iter().flatten().collect();
            let parsed = parsed(&args);
            let known = !matches!(parsed, Err(UsageError::Unknown { .. }));
            assert!(known, "{}: {parsed:?}", flag.long);
        }
    }

    #[test]
    fn generate_needs_known_word() {
        for word in Generated::WORDS {
            let command = parsed(&["generate", word]);
            assert!(matches!(command, Ok(Command::Generate(_))), "{command:?}");
        }
        for args in [&["generate"][..], &["generate", "csh"]] {
            let error = parsed(args).unwrap_err().to_string();
            assert_eq!(
                error,
                "generate: WHAT must be man, man-toml, bash, zsh or fish"
            );
        }
    }
}
