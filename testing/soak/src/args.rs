//! The command line.

use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "usage: soak --gateway PROGRAM --examples DIR --out DIR [--minutes N] \
                     [--pace N] [--page DIR]";
const MINUTES: u32 = 10;

/// The command line's settings.
#[derive(Debug)]
pub(crate) struct Args {
    /// The built gateway.
    pub(crate) gateway: PathBuf,
    /// The directory of the picture.
    pub(crate) out: PathBuf,
    /// The directory of the built examples of `transport-http`.
    pub(crate) examples: PathBuf,
    pub(crate) duration: Duration,
    /// The factor of all intervals of the load.
    pub(crate) pace: u32,
    /// The directory of the report.
    pub(crate) page: Option<PathBuf>,
    /// `--leak N`, which proves that the soak can fail.
    ///
    /// Every Nth connection of the load stays open.
    pub(crate) leak: Option<u64>,
}

pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Args, String> {
    let (mut gateway, mut examples, mut out, mut page) = (None, None, None, None);
    let (mut leak, mut minutes, mut pace) = (None, MINUTES, 1);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match arg.as_str() {
            "--gateway" => gateway = Some(PathBuf::from(value()?)),
            "--out" => out = Some(PathBuf::from(value()?)),
            "--examples" => examples = Some(PathBuf::from(value()?)),
            "--page" => page = Some(PathBuf::from(value()?)),
            "--pace" => pace = value()?.parse().map_err(|_| USAGE)?,
            "--minutes" => minutes = value()?.parse().map_err(|_| USAGE)?,
            "--leak" => leak = Some(value()?.parse().map_err(|_| USAGE)?),
            _ => return Err(USAGE.into()),
        }
    }
    if minutes == 0 || pace == 0 || leak == Some(0) {
        return Err(USAGE.into());
    }
    let (gateway, (examples, out)) = gateway.zip(examples.zip(out)).ok_or(USAGE)?;
    let duration = Duration::from_secs(60) * minutes;
    Ok(Args {
        gateway,
        examples,
        out,
        page,
        duration,
        pace,
        leak,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn ten_minutes_unless_told() {
        let given = parsed("--gateway g --examples e --out o").unwrap();
        assert_eq!((given.duration.as_secs(), given.leak), (600, None));
        assert_eq!((given.pace, given.page), (1, None));
        let line = "--gateway g --examples e --out o --minutes 3 --leak 9 --pace 4 --page p";
        let given = parsed(line).unwrap();
        assert_eq!((given.duration.as_secs(), given.leak), (180, Some(9)));
        assert_eq!((given.pace, given.page), (4, Some("p".into())));
        for wrong in [
            "",
            "--gateway g",
            "--gateway g --examples e --out o --minutes 0",
            "--gateway g --examples e --out o --pace 0",
            "--gateway g --examples e --out o --hours 1",
        ] {
            assert_eq!(parsed(wrong).unwrap_err(), USAGE, "{wrong}");
        }
    }
}
