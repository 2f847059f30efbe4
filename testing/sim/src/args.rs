//! The command line.

/// The parsed arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Args {
    /// Seeds to run.
    pub(crate) seeds: u64,
    /// The first seed.
    pub(crate) first: u64,
    /// Seeds that are run twice, to compare their traces.
    pub(crate) twice: u64,
    /// Failed seeds after which the run stops.
    pub(crate) failures: usize,
    /// Whether a failing script is cut.
    pub(crate) shrink: bool,
}

impl Args {
    /// Parses `--seeds N`, `--seed S`, `--twice N`, `--failures N` and `--no-shrink`.
    ///
    /// `--seed` without `--seeds` runs one seed.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut parsed = Self {
            seeds: 0,
            first: 1,
            twice: 10,
            failures: 5,
            shrink: true,
        };
        let mut args = args.iter();
        let mut has_first = false;
        while let Some(arg) = args.next() {
            let mut value = || {
                let value = args.next().map(String::as_str);
                value.ok_or(format!("{arg} needs a number"))
            };
            match arg.as_str() {
                "--seeds" => parsed.seeds = seed(value()?)?,
                "--twice" => parsed.twice = seed(value()?)?,
                "--failures" => {
                    parsed.failures = usize::try_from(seed(value()?)?).unwrap_or(usize::MAX);
                }
                "--seed" => {
                    parsed.first = seed(value()?)?;
                    has_first = true;
                }
                "--no-shrink" => parsed.shrink = false,
                _ => {
                    return Err(format!(
                        "{arg:?}: --seeds N, --seed S, --twice N, --failures N, --no-shrink"
                    ))
                }
            }
        }
        if parsed.seeds == 0 {
            parsed.seeds = if has_first { 1 } else { 500 };
        }
        Ok(parsed)
    }
}

/// Parses a seed.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a seed: 0 to 2^64 - 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Args::parse(&args)
    }

    #[test]
    fn arguments_are_parsed() {
        assert_eq!(parse(&[]).map(|args| args.seeds), Ok(500));
        assert_eq!(
            parse(&["--seed", "7"]).map(|a| (a.first, a.seeds)),
            Ok((7, 1))
        );
        let both = parse(&["--seeds", "3", "--seed", "7", "--no-shrink"]);
        assert_eq!(
            both.map(|a| (a.first, a.seeds, a.shrink)),
            Ok((7, 3, false))
        );
        assert!(parse(&["--seeds"]).is_err());
        assert!(parse(&["--frobnicate"]).is_err());
    }
}
