//! `bench`: measurements on demand; none gates `ci`.

use crate::cmd::{run as run_command, Cx, Outcome};
use crate::{apt, balancers};

/// Runs the bench that the first argument names, with the other arguments.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    let which = args.split_first().map(|(name, rest)| (name.as_str(), rest));
    match which {
        Some(("overhead", rest)) => run_command(
            cx.cargo(["run", "--release", "-q", "-p", "ron-bench-overhead", "--"])
                .args(rest),
        ),
        Some(("micro", rest)) => run_command(
            cx.cargo(["bench", "-p", "transport-limits", "--"])
                .args(rest),
        ),
        Some(("handshake", rest)) => handshake(cx, rest),
        Some(("matrix", rest)) => matrix(cx, rest),
        Some(("scale", rest)) => scale(cx, rest),
        Some(("tor", rest)) => {
            apt::tor(cx)?;
            run_command(
                cx.cargo(["run", "--release", "-q", "-p", "ron-bench-tor", "--"])
                    .args(rest),
            )
        }
        Some((other, _)) => Err(format!(
            "unknown bench {other:?}: use overhead, handshake, matrix, scale, tor or micro"
        )),
        None => Err("which bench? `overhead`: guarded against bare tokio; \
                     `handshake`: TLS against bare tokio-rustls, nginx and HAProxy; \
                     `matrix`: every kind of load against nginx and HAProxy, with a report; \
                     `scale`: curves of one gateway and of three replicas, with a report; \
                     `tor`: over Tor against bare arti-client; \
                     `micro`: bucket, admission, frame reader"
            .into()),
    }
}

/// Measures all cells of the matrix, or the ones that `--cell` names.
///
/// A run of all cells replaces the report.
fn matrix(cx: &Cx, args: &[String]) -> Outcome {
    apt::for_proxies(cx)?;
    // A separate build, so that the bench's features do not reach the gateway.
    run_command(&mut cx.cargo(["build", "--release", "-q", "-p", "ron-gateway"]))?;
    let mut command = cx.cargo(["run", "--release", "-q", "-p", "ron-bench-handshake", "--"]);
    command.arg("matrix").args(args);
    if !args.iter().any(|arg| arg == "--cell") {
        command.args(["--out", "docs/reports"]);
    }
    run_command(&mut command)
}

/// Measures the curves and updates the report.
///
/// `--part` names the ones to measure; the others stay as they were.
/// The part `replicas` runs three gateways behind each balancer; it needs root.
fn scale(cx: &Cx, args: &[String]) -> Outcome {
    let parts: Vec<_> = args.chunks(2).map(|pair| pair.last()).collect();
    let wants = |part: &str| args.is_empty() || parts.contains(&Some(&part.to_owned()));
    // A separate build, so that the bench's features do not reach the gateway.
    run_command(&mut cx.cargo(["build", "--release", "-q", "-p", "ron-gateway"]))?;
    let mut command = cx.cargo(["run", "--release", "-q", "-p", "ron-bench-handshake", "--"]);
    command.arg("scale").args(args);
    if wants("replicas") {
        command.arg("--replicas").arg(balancers::measure(cx)?);
    }
    run_command(command.args(["--out", "docs/reports"]))
}

/// Runs all parts of the handshake bench, or one.
fn handshake(cx: &Cx, args: &[String]) -> Outcome {
    const PARTS: [&str; 3] = ["library", "proxies", "memory"];
    let (parts, rest) = match args.split_first() {
        Some((part, rest)) if PARTS.contains(&part.as_str()) => (vec![part.as_str()], rest),
        _ => (PARTS.to_vec(), args),
    };
    if parts.contains(&"proxies") {
        apt::for_proxies(cx)?;
    }
    // A separate build, so that the bench's features do not reach the gateway.
    run_command(&mut cx.cargo(["build", "--release", "-q", "-p", "ron-gateway"]))?;
    for part in parts {
        run_command(
            cx.cargo(["run", "--release", "-q", "-p", "ron-bench-handshake", "--"])
                .arg(part)
                .args(rest),
        )?;
    }
    Ok(())
}
