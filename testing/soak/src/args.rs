//! The command line.

use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "usage: soak --gateway PROGRAM --out DIR [--minutes N]";
const MINUTES: u32 = 10;

/// The command line's settings.
#[derive(Debug)]
pub(crate) struct Args {
    /// The built gateway.
    pub(crate) gateway: PathBuf,
    /// The directory of the picture.
    pub(crate) out: PathBuf,
    pub(crate) duration: Duration,
    /// `--leak N`, which proves that the soak can fail.
    ///
    /// Every Nth connection of the load stays open.
    pub(crate) leak: Option<u64>,
}

pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Args, String> {
    let (mut gateway, mut out, mut leak, mut minutes) = (None, None, None, MINUTES);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match arg.as_str() {
            "--gateway" => gateway = Some(PathBuf::from(value()?)),
            "--out" => out = Some(PathBuf::from(value()?)),
            "--minutes" => minutes = value()?.parse().map_err(|_| USAGE)?,
            "--leak" => leak = Some(value()?.parse().map_err(|_| USAGE)?),
            _ => return Err(USAGE.into()),
        }
    }
    if minutes == 0 || leak == Some(0) {
        return Err(USAGE.into());
    }
    let (gateway, out) = gateway.zip(out).ok_or(USAGE)?;
    let duration = Duration::from_secs(60) * minutes;
    Ok(Args {
        gateway,
        out,
        duration,
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
        let given = parsed("--gateway g --out o").unwrap();
        assert_eq!((given.duration.as_secs(), given.leak), (600, None));
        let given = parsed("--gateway g --out o --minutes 3 --leak 9").unwrap();
        assert_eq!((given.duration.as_secs(), given.leak), (180, Some(9)));
        for wrong in [
            "",
            "--gateway g",
            "--gateway g --out o --minutes 0",
            "--gateway g --out o --hours 1",
        ] {
            assert_eq!(parsed(wrong).unwrap_err(), USAGE, "{wrong}");
        }
    }
}
