//! The gateways, and the configurations that they change between.

use ron_lab::{Gateway, Lab};

/// The gateway's allocator gives pages back as soon as they are free. Left to itself it keeps some
/// for later, how many depends on chance, and its memory wanders by ten MiB without a leak.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// What a gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes, which it sends back.
    Tcp,
    /// TLS, forwarded to the first gateway.
    Tls,
    /// Frames, which it sends back.
    Frames,
}

/// A gateway of the soak.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) gateway: Gateway,
}

/// Starts all three.
pub(crate) fn start(lab: &Lab, leaks: bool) -> Result<Vec<Site>, String> {
    let mut sites: Vec<Site> = Vec::new();
    for (name, kind) in [
        ("tcp", Kind::Tcp),
        ("tls", Kind::Tls),
        ("frames", Kind::Frames),
    ] {
        let start = lab
            .gateway()
            .config(&configure(lab, name, kind, 0, "server")?);
        // What the soak holds for ever must not be ended by the gateway. The others wait longer than
        // a machine that is busy with something else keeps an honest peer waiting.
        let idle = if leaks { "12h" } else { "20s" };
        let start = start
            .env(PURGE_DELAY.0, PURGE_DELAY.1)
            .args(["--transport.idle-timeout", idle])
            .args(["--transport.read-timeout", "15s"])
            .args(["--transport.write-timeout", "15s"]);
        let start = match kind {
            Kind::Tcp => start,
            Kind::Tls => {
                let to = sites.first().ok_or("no gateway to forward to")?;
                start.args(["--forward", &format!("tcp://{}", to.gateway.addr)])
            }
            Kind::Frames => start.args(["--echo-frames"]),
        };
        let gateway = start.spawn()?;
        gateway.forget_log();
        sites.push(Site {
            name,
            kind,
            gateway,
        });
    }
    Ok(sites)
}

/// Writes the configuration for this turn; where it is. Its caps are always above the load.
pub(crate) fn configure(
    lab: &Lab,
    name: &str,
    kind: Kind,
    turn: u32,
    pair: &str,
) -> Result<String, String> {
    let mut text = "[transport]\nhandshake_timeout = '10s'\n".to_owned();
    text += match turn % 3 {
        0 => "max_conns = 4096\n",
        1 => {
            "max_conns = 4000\nper_peer.max_conns = 3000\nrates.per_conn_bytes_per_sec = '8MiB'\n\
             rates.global_ingress_bytes_per_sec = '64MiB'\n"
        }
        _ => {
            "max_conns = 4090\nrates.per_peer_bytes_per_sec = '64MiB'\nrates.accepts_per_sec = 5000\n\
             limits.chunk_bytes = '32KiB'\n"
        }
    };
    if kind == Kind::Tls {
        let (cert, key) = (lab.pki.cert(pair), lab.pki.key(pair));
        text += &format!("backend = 'tls'\ntls.cert_path = '{cert}'\ntls.key_path = '{key}'\n");
    }
    lab.write(&format!("{name}.toml"), &text)
}
