//! The gateways, and the configurations that alternate.

use ron_lab::{Gateway, Lab};

/// Makes the allocator return freed pages at once.
///
/// By default it keeps a varying number of pages, and memory varies by ten MiB without a leak.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// The protocol of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes, which are echoed.
    Tcp,
    /// TLS, forwarded to the first gateway.
    Tls,
    /// Frames, which are echoed.
    Frames,
}

/// A gateway of the soak.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) gateway: Gateway,
}

/// Starts all three gateways.
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
        // A leaked connection must outlive the run. The other timeouts exceed the pauses of an
        // honest peer on a busy machine.
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

/// Writes the configuration of this turn and returns its path.
///
/// Its caps are always above the load.
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
