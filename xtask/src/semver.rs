//! `semver`: cargo-semver-checks against an earlier git revision.
//!
//! On demand, before a release: it documents every library twice, which takes minutes.

use crate::cmd::{capture, run as run_command, Cx, Outcome};
use crate::meta;
use crate::tools;

/// Checks the published libraries against the last release, or `--baseline REV`.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let baseline = match args {
        [] => last_release(cx)?,
        [flag, rev] if flag == "--baseline" => rev.clone(),
        _ => {
            return Err(format!(
                "unknown arguments {args:?}: only --baseline REV is allowed"
            ))
        }
    };
    let tool = tools::SEMVER_CHECKS.find_or_install(cx)?;
    let mut command = cx.program(tool, ["semver-checks", "--all-features", "--baseline-rev"]);
    command.arg(baseline);
    for krate in meta::load(cx)?
        .iter()
        .filter(|krate| krate.published && krate.library)
    {
        command.args(["-p", &krate.name]);
    }
    run_command(&mut command)
}

/// The tag of the last release, `vX.Y.Z`.
fn last_release(cx: &Cx) -> Result<String, String> {
    let describe = ["describe", "--tags", "--abbrev=0", "--match", "v*"];
    let tag = capture(&mut cx.program("git", describe));
    let tag = tag.map_err(|_| "no release tag exists: use `semver --baseline REV`")?;
    Ok(tag.trim().to_owned())
}
