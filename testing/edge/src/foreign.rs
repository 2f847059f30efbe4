//! A functional test of the gateway for aarch64, under `qemu-user`.
//!
//! It reports no costs, because the emulator costs more.

use std::path::Path;

use ron_lab::client::pattern;
use ron_lab::{Lab, Start};

use crate::client::{exchange, Client, Kind, BYTES};
use crate::Seen;

/// The emulator, and the location of Debian's cross libraries.
const QEMU: [&str; 3] = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];
const TIMES: u32 = 50;

pub(crate) fn try_out(lab: &Lab, program: &Path) -> Seen {
    for kind in Kind::ALL {
        let name = kind.name();
        let outcome = one(lab, kind, program);
        outcome.map_err(|why| format!("{name}: {why}"))?;
    }
    let text = format!(
        "under qemu-user: {TIMES} echoes of 64 KiB over tcp and over tls, a reload, \
         /readyz 200, a drain with exit code 0"
    );
    Ok((true, text))
}

fn one(lab: &Lab, kind: Kind, program: &Path) -> Result<(), String> {
    let config = lab.write("foreign.toml", "[transport]\nmax_conns = 100\n")?;
    let start = kind.start(lab, Start::new(program)).config(&config);
    let gateway = start.before(&QEMU).spawn()?;
    let client = Client::new(lab, kind, gateway.addr)?;
    let mut conn = client.open().map_err(|e| e.to_string())?;
    exchange(conn.as_mut(), &pattern(BYTES), TIMES)?;
    lab.write("foreign.toml", "[transport]\nmax_conns = 99\n")?;
    gateway.reload("ok")?;
    exchange(conn.as_mut(), &pattern(BYTES), 1)?;
    let (status, body) = gateway.admin.get("/readyz")?;
    if status != 200 {
        return Err(format!("/readyz answers {status}: {body}"));
    }
    drop(conn);
    gateway.stop().map(drop)
}
