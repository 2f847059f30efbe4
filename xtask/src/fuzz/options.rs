//! The arguments of `fuzz`.

/// What to run, and for how long.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    pub(super) targets: Vec<String>,
    /// The duration of each target.
    pub(super) seconds: u64,
    /// Whether inputs that reach new code are added to the repository's corpus.
    pub(super) keep: bool,
    /// Whether a missing compiler skips the step.
    pub(super) optional: bool,
}

impl Options {
    /// Parses `NAME…` or `all`, `--minutes N`, `--seconds N`, `--keep`, `--optional`.
    pub(super) fn parse(args: &[String], known: &[String]) -> Result<Self, String> {
        let mut options = Self {
            targets: Vec::new(),
            seconds: 60,
            keep: false,
            optional: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--keep" => options.keep = true,
                "--optional" => options.optional = true,
                "--minutes" => options.seconds = 60 * number(arg, args.next())?,
                "--seconds" => options.seconds = number(arg, args.next())?,
                "all" => options.targets.extend_from_slice(known),
                name if known.iter().any(|known| known == name) => {
                    options.targets.push(name.to_owned());
                }
                other => return Err(format!("unknown target {other:?}: {}", choices(known))),
            }
        }
        if options.targets.is_empty() {
            return Err(format!("no target is chosen: {}", choices(known)));
        }
        options.targets.sort();
        options.targets.dedup();
        Ok(options)
    }
}

fn choices(known: &[String]) -> String {
    format!("use all, or some of {}", known.join(", "))
}

fn number(option: &str, value: Option<&String>) -> Result<u64, String> {
    let value = value.map(String::as_str).unwrap_or_default();
    match value.parse() {
        Ok(number @ 1..=100_000) => Ok(number),
        _ => Err(format!("{option} {value:?}: use a number from 1 to 100000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Options, String> {
        let args: Vec<_> = args.split_whitespace().map(str::to_owned).collect();
        Options::parse(&args, &["a".to_owned(), "b".to_owned()])
    }

    #[test]
    fn targets_and_duration() {
        let all = parse("all --minutes 2 a --optional").unwrap();
        assert_eq!(all.targets, ["a", "b"]);
        assert_eq!((all.seconds, all.keep, all.optional), (120, false, true));
        let one = parse("--keep b --seconds 5").unwrap();
        assert_eq!(one.targets, ["b"]);
        assert_eq!((one.seconds, one.keep), (5, true));
    }

    #[test]
    fn wrong_arguments_name_the_choices() {
        for args in ["", "c", "a --seconds", "a --minutes 0", "a --minutes x"] {
            let why = parse(args).unwrap_err();
            assert!(why.contains("use "), "{why}");
        }
    }
}
