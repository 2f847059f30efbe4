//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::limit::Means;

const USAGE: &str = "usage: edge --gateway PROGRAM (--foreign PROGRAM | --no-foreign WHY) \
                     [--seconds N] [--mib N] [--limit cgroup2|cgroup1|prlimit]";
/// The duration of each load.
const SECONDS: u64 = 30;
const MIB: u64 = 64;

/// The command to run.
#[derive(Debug)]
pub(crate) enum What {
    /// All measurements.
    Run(Args),
    /// The server with counted allocations, with this configuration.
    Serve(String),
}

/// The settings of the measurements.
#[derive(Debug)]
pub(crate) struct Args {
    /// The built gateway.
    pub(crate) gateway: PathBuf,
    /// The gateway for aarch64, or why there is none.
    pub(crate) foreign: Result<PathBuf, String>,
    pub(crate) duration: Duration,
    /// The memory limit; too low a limit must fail.
    pub(crate) mib: u64,
    /// The means of limiting memory; the best available one by default.
    pub(crate) limit: Option<Means>,
}

pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<What, String> {
    let (mut gateway, mut foreign, mut limit, mut seconds) = (None, None, None, SECONDS);
    let mut mib = MIB;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match arg.as_str() {
            "serve" => return Ok(What::Serve(value()?)),
            "--gateway" => gateway = Some(PathBuf::from(value()?)),
            "--foreign" => foreign = Some(Ok(PathBuf::from(value()?))),
            "--no-foreign" => foreign = Some(Err(value()?)),
            "--seconds" => seconds = value()?.parse().map_err(|_| USAGE)?,
            "--mib" => mib = value()?.parse().map_err(|_| USAGE)?,
            "--limit" => limit = Some(Means::parse(&value()?).ok_or(USAGE)?),
            _ => return Err(USAGE.into()),
        }
    }
    let (gateway, foreign) = gateway.zip(foreign).ok_or(USAGE)?;
    let duration = Duration::from_secs(seconds);
    Ok(What::Run(Args {
        gateway,
        foreign,
        duration,
        mib,
        limit,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<What, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn gateway_and_foreign_choice_are_required() {
        let What::Run(args) = parsed("--gateway g --no-foreign x --limit prlimit").unwrap() else {
            panic!("no measurement is chosen");
        };
        assert_eq!(
            (args.foreign, args.limit),
            (Err("x".to_owned()), Some(Means::Prlimit))
        );
        assert_eq!((args.duration.as_secs(), args.mib), (SECONDS, MIB));
        for wrong in [
            "",
            "--gateway g",
            "--foreign f",
            "--gateway g --foreign f --limit no",
        ] {
            assert_eq!(parsed(wrong).unwrap_err(), USAGE, "{wrong}");
        }
    }
}
