//! The status page in a browser, in every state.

use std::net::IpAddr;
use std::path::Path;

use ron_lab::{Gateway, Start};
use rustix::process::Signal;

use crate::browser::{Browser, View};
use crate::http;
use crate::load::Load;
use crate::wait_for;

/// The views of the page; each leaves a picture.
const VIEWS: &[View] = &[
    view("desk-light", 1280, "light"),
    view("desk-dark", 1280, "dark"),
    view("phone-light", 390, "light"),
    view("phone-dark", 390, "dark"),
    view("small-phone", 320, "light"),
];
const HOT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

const fn view(name: &'static str, width: u32, scheme: &'static str) -> View {
    View {
        name,
        width,
        scheme,
    }
}

pub(crate) fn run(program: &str, pictures: &str) -> Result<(), String> {
    let pictures = Path::new(pictures);
    std::fs::create_dir_all(pictures).map_err(|e| format!("{}: {e}", pictures.display()))?;
    let dir = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
    let file = dir.path().join("gateway.toml");
    let configure = |conns: u32| {
        let text = format!(
            "[transport]\nmax_conns = {conns}\ndrain_timeout = '10s'\nread_timeout = '30s'\n\
             per_peer.max_conns = 20\n[gateway]\nmode = 'echo_frames'\n"
        );
        std::fs::write(&file, text).map_err(|e| e.to_string())
    };
    configure(500)?;
    let gateway = Start::new(Path::new(program))
        .config(&file.to_string_lossy())
        .spawn()?;
    let mut browser = Browser::start()?;
    quiet(&mut browser, &gateway)?;
    under_load(&mut browser, &gateway, pictures)?;
    configure(600)?;
    gateway.signal(Signal::HUP)?;
    browser.until(&text_is("reloads", "1 applied, 0 rejected"))?;
    browser.until("[...document.querySelectorAll('#config tr')].some((row) => row.innerText.match(/max_conns\\s+600/))")?;
    println!("reloaded: the page shows the new configuration");
    end(&mut browser, &gateway, pictures)?;
    past(&mut browser, program)?;
    certificate(&mut browser, program)?;
    requests(&browser, &gateway)
}

fn quiet(browser: &mut Browser, gateway: &Gateway) -> Result<(), String> {
    browser.open(&format!("http://{}/", gateway.admin.addr()))?;
    browser.until("document.body?.dataset.state === 'ready'")?;
    browser.until(&text_is("word", "Ready"))?;
    browser.until(&text_is("conns-cap", "0 of 500 accepted"))?;
    browser.until("document.title === 'Ready · ron-gateway'")?;
    browser.until("document.querySelectorAll('#config tbody tr').length > 3")?;
    browser.until("Number(document.getElementById('defaults').textContent) > 30")?;
    println!("quiet: ready, no connection, the configuration");
    Ok(())
}

/// With a refused peer, the page agrees with the metrics.
///
/// It also fits the window.
fn under_load(browser: &mut Browser, gateway: &Gateway, pictures: &Path) -> Result<(), String> {
    const SERIES: &str = "rejected_total{reason=\"peer_limit\"}";
    let _honest = Load::honest(gateway.addr)?;
    let _hot = Load::hot_peer(HOT, gateway.addr)?;
    wait_for("a thousand rejects", || {
        Ok((gateway.scrape()?.value(SERIES) > 1000.0).then_some(()))
    })?;
    let before = gateway.scrape()?.value(SERIES);
    let shown = "Number([...document.querySelectorAll('#reasons tbody tr')]\
        .find((row) => row.cells[0].firstChild.data === 'peer_limit')?.cells[2].textContent.replaceAll(',', '') ?? 0)";
    browser.until(&format!("{shown} >= {before}"))?;
    let seen = browser.eval(shown)?.as_f64().unwrap_or(f64::MAX);
    let after = gateway.scrape()?.value(SERIES);
    if !(before..=after).contains(&seen) {
        return Err(format!(
            "{seen} rejects are shown, there were {before} to {after}"
        ));
    }
    browser.until(&text_is("peer-most", "20"))?;
    browser.until(&text_is("peer-near", "1"))?;
    browser.until("Number(document.getElementById('conns').textContent) >= 30")?;
    browser.until("/ [KM]iB\\/s$/.test(document.getElementById('in').textContent)")?;
    browser.until(
        "document.querySelector('#in-spark .curve').getAttribute('d').split('L').length > 8",
    )?;
    browser.until("/≤ \\d+ ms/.test(document.querySelector('#latency tbody').innerText)")?;
    browser
        .until("document.body.dataset.state === 'ready' && !('stale' in document.body.dataset)")?;
    for view in VIEWS {
        browser.view(*view)?;
        let overflow = "document.documentElement.scrollWidth - innerWidth";
        browser.until(&format!("innerWidth === {} && {overflow} <= 0", view.width))?;
        browser.until("[...document.querySelectorAll('section')].every((card) => card.scrollWidth <= card.clientWidth)")?;
        let dark = view.scheme == "dark";
        let paper = "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]";
        browser.until(&format!("({paper} < 128) === {dark}"))?;
        browser.picture(&pictures.join(format!("{}.png", view.name)))?;
    }
    let text = browser
        .eval("document.documentElement.outerHTML")?
        .to_string();
    let status = ["/status", "/status/metrics.json", "/status/config.json"];
    for told in status.map(|path| http::get(gateway.admin.addr(), path)) {
        no_peer(&told?)?;
    }
    no_peer(&text)?;
    browser.view(VIEWS[1])?;
    let complaints = &browser.complaints;
    if !complaints.is_empty() {
        return Err(format!("the browser reports: {}", complaints.join("\n")));
    }
    println!("hot peer: {seen} rejects shown between {before} and {after}, no peer's address");
    Ok(())
}

/// Fails if the text contains the address of a peer.
fn no_peer(text: &str) -> Result<(), String> {
    let peers = ["127.0.0.2", "127.0.1."];
    match peers.iter().find(|peer| text.contains(**peer)) {
        Some(peer) => Err(format!("{peer} is shown: {text}")),
        None => Ok(()),
    }
}

/// The page shows the drain, and then that the gateway is gone.
fn end(browser: &mut Browser, gateway: &Gateway, pictures: &Path) -> Result<(), String> {
    let busy = Load::unfinished(gateway.addr)?;
    browser.until(&text_is("conns", "1"))?;
    gateway.signal(Signal::TERM)?;
    browser.until("document.body.dataset.state === 'not_ready'")?;
    browser.until(&text_is("word", "Not ready"))?;
    browser.picture(&pictures.join("draining.png"))?;
    let since = browser.text("since")?;
    if !since.contains("draining") {
        return Err(format!("a drain is shown as {since:?}"));
    }
    drop(busy);
    browser
        .until("!document.getElementById('stale').hidden && 'stale' in document.body.dataset")?;
    browser.until("document.title === 'No response · ron-gateway'")?;
    browser.picture(&pictures.join("gone.png"))?;
    // Refused connections are expected complaints here.
    browser.complaints.clear();
    println!("ended: draining, then no answer");
    Ok(())
}

/// The page shows events from before it was opened.
fn past(browser: &mut Browser, program: &str) -> Result<(), String> {
    const SERIES: &str = "rejected_total{reason=\"peer_limit\"}";
    let gateway = Start::new(Path::new(program))
        .args(["--transport.per-peer.max-conns", "20"])
        .spawn()?;
    let hot = Load::hot_peer(HOT, gateway.addr)?;
    wait_for("a few rejects", || {
        Ok((gateway.scrape()?.value(SERIES) >= 10.0).then_some(()))
    })?;
    drop(hot);
    let before = gateway.scrape()?.value(SERIES);
    browser.open(&format!("http://{}/", gateway.admin.addr()))?;
    let shown = "Number(document.getElementById('rejects')?.textContent.replaceAll(',', ''))";
    browser.until(&format!("{shown} > 0"))?;
    let first = browser.eval(shown)?.as_f64().unwrap_or_default();
    if first < before {
        return Err(format!(
            "{first} rejects are shown at first, there were {before}"
        ));
    }
    println!("opened after {before} rejects: {first} in the last minute");
    Ok(())
}

fn certificate(browser: &mut Browser, program: &str) -> Result<(), String> {
    let gateway = Start::new(Path::new(program)).args(["--dev-tls"]).spawn()?;
    browser.open(&format!("http://{}/", gateway.admin.addr()))?;
    browser.until(&text_is("cert", "29 days left"))?;
    browser.until("document.body.dataset.state === 'ready'")?;
    println!("TLS: 29 days left of the certificate's 30");
    Ok(())
}

/// Fails if the page requested anything from another server.
fn requests(browser: &Browser, gateway: &Gateway) -> Result<(), String> {
    let ours = format!("http://{}/", gateway.admin.addr());
    let at_loopback = |url: &&String| url.starts_with("http://127.0.0.1:");
    if let Some(url) = browser.requests.iter().find(|url| !at_loopback(url)) {
        return Err(format!("the page requested {url}"));
    }
    let own = browser.requests.iter().filter(|url| url.starts_with(&ours));
    println!("{} requests to the gateway, none elsewhere", own.count());
    Ok(())
}

fn text_is(id: &str, text: &str) -> String {
    format!("document.getElementById('{id}')?.textContent === '{text}'")
}
