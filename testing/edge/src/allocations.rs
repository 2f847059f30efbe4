//! The allocations of a 64 KiB echo.

use std::process::Command;

use ron_lab::client::pattern;
use ron_lab::process::Process;
use ron_lab::Lab;

use crate::client::{exchange, Client, Kind, BYTES};
use crate::Seen;

const WARM: u32 = 200;
const TIMES: u32 = 2000;

/// The allowed allocations.
///
/// TCP needs none, except the blocks in which the metrics keep sampled sizes. TLS may use twice the
/// measured number, 12, which are those of rustls.
const fn allowed(kind: Kind) -> f64 {
    match kind {
        Kind::Tcp => 0.1,
        Kind::Tls => 24.0,
    }
}

pub(crate) fn measure(lab: &Lab, kind: Kind) -> Seen {
    let mut config = "[transport]\npreset = 'edge'\nbind_addr = '127.0.0.1:0'\n".to_owned();
    if kind == Kind::Tls {
        let (cert, key) = (lab.pki.cert("server"), lab.pki.key("server"));
        config += &format!("backend = 'tls'\ntls.cert_path = '{cert}'\ntls.key_path = '{key}'\n");
    }
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut server = Process::start(Command::new(program).args(["serve", &config]))?;
    let listens = |line: &str| line.strip_prefix("listen ")?.parse().ok();
    let addr = server.out.line(listens);
    let addr = addr.ok_or_else(|| format!("the server did not start: {}", server.err.text()))?;
    let mut conn = Client::new(lab, kind, addr)?
        .open()
        .map_err(|e| e.to_string())?;
    let sent = pattern(BYTES);
    exchange(conn.as_mut(), &sent, WARM)?;
    let before = count(&mut server, 0)?;
    exchange(conn.as_mut(), &sent, TIMES)?;
    let after = count(&mut server, 1)?;
    let each = |after: u64, before: u64| (after - before) as f64 / f64::from(TIMES);
    let (times, bytes) = (each(after.0, before.0), each(after.1, before.1));
    let allowed = allowed(kind);
    let text = format!(
        "{times:.2} for a 64 KiB echo (allowed {allowed}), {:.1} KiB",
        bytes / 1024.0
    );
    Ok((times <= allowed, text))
}

/// Returns the server's report after this many more echoes: allocations, and bytes.
fn count(server: &mut Process, others: usize) -> Result<(u64, u64), String> {
    server.write(b"\n")?;
    let answer = server.out.wait(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let whole = &text[..=text.rfind('\n')?];
        let mut answers = whole
            .lines()
            .filter_map(|line| line.strip_prefix("allocations "));
        let (count, bytes) = answers.nth(others)?.split_once(' ')?;
        count.parse().ok().zip(bytes.parse().ok())
    });
    answer.ok_or_else(|| format!("no count from the server: {}", server.err.text()))
}
