//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::drills::{Drill, DRILLS};

const USAGE: &str = "usage: drills --gateway PROGRAM [--previous PROGRAM] [--page FILE] \
                     [--watch MINUTESm|SECONDSs] [--json] --all|--quick|--list|NAME...";
/// The duration of the watch after an upgrade, by the runbook.
const WATCH: Duration = Duration::from_secs(600);
/// How long it is watched in a quick run.
const QUICK_WATCH: Duration = Duration::from_secs(3);

/// The drills to run, and how.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum What {
    /// The named drills.
    #[default]
    Named,
    /// All drills; the page is rewritten.
    All,
    /// The quick drills, without gates on times and ratios.
    Quick,
    /// No drill: the names are printed.
    List,
}

/// The command line's settings.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// The built gateway.
    pub(crate) gateway: PathBuf,
    /// The previous build.
    pub(crate) previous: Option<PathBuf>,
    /// The page with the results of the last full run.
    pub(crate) page: Option<PathBuf>,
    pub(crate) watch: Duration,
    pub(crate) json: bool,
    pub(crate) what: What,
    names: Vec<String>,
}

pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Args, String> {
    let mut parsed = Args::default();
    let (mut args, mut watch) = (args.into_iter(), None);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match arg.as_str() {
            "--gateway" => parsed.gateway = value()?.into(),
            "--previous" => parsed.previous = Some(value()?.into()),
            "--page" => parsed.page = Some(value()?.into()),
            "--watch" => watch = Some(duration(&value()?)?),
            "--json" => parsed.json = true,
            "--all" => parsed.what = What::All,
            "--quick" => parsed.what = What::Quick,
            "--list" => parsed.what = What::List,
            flag if flag.starts_with('-') => return Err(USAGE.into()),
            _ => parsed.names.push(arg),
        }
    }
    let chosen = parsed.what != What::Named || !parsed.names.is_empty();
    if parsed.gateway.as_os_str().is_empty() || !chosen {
        return Err(USAGE.into());
    }
    let is_quick = parsed.what == What::Quick;
    parsed.watch = watch.unwrap_or(if is_quick { QUICK_WATCH } else { WATCH });
    Ok(parsed)
}

impl Args {
    /// Returns the chosen drills.
    pub(crate) fn chosen(&self) -> Result<Vec<&'static Drill>, String> {
        let known = |name: &String| DRILLS.iter().any(|drill| drill.name == name);
        if let Some(name) = self.names.iter().find(|name| !known(name)) {
            let names: Vec<_> = DRILLS.iter().map(|drill| drill.name).collect();
            return Err(format!(
                "unknown drill {name:?}; known: {}",
                names.join(", ")
            ));
        }
        let is_chosen = |drill: &&Drill| {
            let named = self.names.is_empty() || self.names.iter().any(|name| name == drill.name);
            named && (drill.quick || self.what != What::Quick)
        };
        Ok(DRILLS.iter().filter(is_chosen).collect())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let minutes = text.strip_suffix('m').map(|number| (number, 60));
    let seconds = text.strip_suffix('s').map(|number| (number, 1));
    let (number, unit) = minutes.or(seconds).ok_or(USAGE)?;
    let number: u32 = number.parse().map_err(|_| USAGE)?;
    Ok(Duration::from_secs(unit) * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, String> {
        let line = format!("--gateway g {line}");
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn chosen(line: &str) -> Result<Vec<&'static str>, String> {
        Ok(parsed(line)?.chosen()?.iter().map(|d| d.name).collect())
    }

    #[test]
    fn names_and_flags_choose_drills() {
        assert_eq!(chosen("--all").unwrap().len(), DRILLS.len());
        assert_eq!(chosen("--list").unwrap().len(), DRILLS.len());
        assert_eq!(chosen("bind-in-use").unwrap(), ["bind-in-use"]);
        let quick = DRILLS.iter().filter(|drill| drill.quick).count();
        assert!(quick > 0);
        assert_eq!(chosen("--quick").unwrap().len(), quick);
        assert!(chosen("bind-in-us").unwrap_err().contains("bind-in-use"));
        assert_eq!(chosen("--fast").unwrap_err(), USAGE);
        assert_eq!(chosen("").unwrap_err(), USAGE);
    }

    #[test]
    fn watch_defaults_to_runbook_duration() {
        assert_eq!(parsed("--all").unwrap().watch, WATCH);
        assert_eq!(parsed("--quick").unwrap().watch, QUICK_WATCH);
        let given = parsed("--all --watch 2m").unwrap().watch;
        assert_eq!(given, Duration::from_secs(120));
        assert_eq!(parsed("--all --watch 2").unwrap_err(), USAGE);
    }
}
