//! `bench`: the measurements, which are run on demand and gate nothing in `ci`.

use crate::cmd::{run as run_command, Cx, Outcome};

/// Runs the bench that the first argument names; the others go to it.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let which = args.split_first().map(|(name, rest)| (name.as_str(), rest));
    match which {
        Some(("overhead", rest)) => run_command(
            cx.cargo(["run", "--release", "-q", "-p", "transport-testkit"])
                .args(["--features", "bench", "--bin", "bench-overhead", "--"])
                .args(rest),
        ),
        Some(("micro", rest)) => run_command(
            cx.cargo(["bench", "-p", "transport-limits", "--"])
                .args(rest),
        ),
        Some((other, _)) => Err(format!("no bench is called {other:?}: overhead, micro")),
        None => Err("which bench? `overhead`: guarded against bare tokio; \
                     `micro`: bucket, admission, frame reader"
            .into()),
    }
}
