//! Headless Chromium: a page through the gateway, with the hybrid.

use std::process::Command;
use std::time::Duration;

use crate::lab::Lab;
use crate::peers::web::Web;
use crate::peers::Peer;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{run, version};

pub(super) const PEER: Peer = Peer {
    name: "chromium",
    quick: false,
    version: |_| {
        let said = version("chromium", &["--version"])?;
        Ok(said.split(' ').nth(1).unwrap_or_default().to_owned())
    },
    run: all,
};

/// A browser needs time to start.
const BROWSER: Duration = Duration::from_secs(60);

/// The script runs only if the page arrived whole.
const PAGE: &str = "<!doctype html><title>peers</title><p id=\"p\">loading</p>\
    <script>document.getElementById('p').textContent = location.protocol + ' ' + 6 * 7;</script>";

fn all(lab: &Lab, table: &mut Rows<'_>) {
    for (mode, kx) in [
        ("off", "x25519"),
        ("hybrid", "x25519mlkem768"),
        ("required", "x25519mlkem768"),
    ] {
        let what = format!("a page, pq.mode {mode}");
        let expected = format!("page shown, {kx}");
        table.row(Side::Server, &what, &expected, || page(lab, mode, kx));
    }
}

fn page(lab: &Lab, mode: &str, kx: &str) -> Observed {
    let web = Web::start(lab, PAGE)?;
    let gateway = web.gateway(lab, &["--transport.pq.mode", mode])?;
    let profile = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
    let mut command = Command::new("chromium");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
    ]);
    command.args(["--disable-dev-shm-usage", "--disable-background-networking"]);
    command.args([
        "--disable-component-update",
        "--no-proxy-server",
        "--dump-dom",
    ]);
    let pin = &lab.pki.server_spki;
    command.arg(format!("--ignore-certificate-errors-spki-list={pin}"));
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.env("HOME", profile.path());
    command.arg(format!("https://localhost:{}/page.html", gateway.port()));
    let ended = run(&mut command, BROWSER)?;
    let dom = String::from_utf8_lossy(&ended.out);
    if !dom.contains("https: 42") {
        return Err(format!("the page is {dom}{}", ended.err));
    }
    let ok = format!("tls_handshakes_total{{kx=\"{kx}\",resumed=\"no\",result=\"ok\"}}");
    gateway.metric_reaches(&ok, 1)?;
    gateway.stop()?;
    Ok(format!("page shown, its script ran, kx {kx} (metric)"))
}
