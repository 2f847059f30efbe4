//! The servers under load, and the configurations that alternate.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use ron_lab::process::{Output, Process, PATIENCE};
use ron_lab::{command_without_settings, Gateway, Lab};
use rustix::process::{geteuid, Signal};

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
    /// Bytes on a Unix socket, which are echoed.
    Uds,
    /// Bytes after a PROXY header, which are echoed.
    Proxy,
}

/// The part of the gateway that a site exercises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Ample limits.
    Plain,
    /// Idle connections hold every place, and newcomers evict them.
    Evict,
    /// Peers without reads hold their share of a small budget.
    Memory,
    /// Four workers, which forward to the first gateway.
    Workers,
}

const SITES: [(&str, Kind, Role); 8] = [
    ("tcp", Kind::Tcp, Role::Plain),
    ("tls", Kind::Tls, Role::Plain),
    ("frames", Kind::Frames, Role::Plain),
    ("uds", Kind::Uds, Role::Plain),
    ("proxy", Kind::Proxy, Role::Plain),
    ("evict", Kind::Tcp, Role::Evict),
    ("memory", Kind::Frames, Role::Memory),
    ("workers", Kind::Tcp, Role::Workers),
];

/// A gateway of the soak.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) role: Role,
    pub(crate) gateway: Gateway,
}

/// Starts all gateways.
pub(crate) fn start(lab: &Lab, leaks: bool) -> Result<Vec<Site>, String> {
    let mut sites: Vec<Site> = Vec::new();
    for (name, kind, role) in SITES {
        let start = lab
            .gateway()
            .config(&configure(lab, (name, kind, role), 0, "server")?);
        // A leaked connection must outlive the run. The other timeouts exceed the pauses of an
        // honest peer on a busy machine.
        let idle = if leaks { "12h" } else { "20s" };
        let start = start
            .env(PURGE_DELAY.0, PURGE_DELAY.1)
            .args(["--transport.idle-timeout", idle])
            .args(["--transport.read-timeout", "15s"])
            .args(["--transport.write-timeout", "15s"]);
        let first = sites
            .first()
            .map(|site| format!("tcp://{}", site.gateway.addr));
        let first = || first.ok_or("no gateway to forward to");
        let start = match (kind, role) {
            (Kind::Tls, _) => start.args(["--forward", &first()?]),
            (_, Role::Workers) => start.args(["--gateway.workers", "4", "--forward", &first()?]),
            (Kind::Frames, _) => start.args(["--echo-frames"]),
            (Kind::Uds, _) => start.uds(&socket_path(lab)?, geteuid().as_raw()),
            (Kind::Tcp | Kind::Proxy, _) => start,
        };
        let gateway = start.spawn()?;
        gateway.forget_log();
        sites.push(Site {
            name,
            kind,
            role,
            gateway,
        });
    }
    Ok(sites)
}

/// Returns the path of a socket in a private directory.
fn socket_path(lab: &Lab) -> Result<String, String> {
    let dir = lab.path("run");
    let made = DirBuilder::new().mode(0o700).create(&dir);
    made.map_err(|e| format!("cannot create {}: {e}", dir.display()))?;
    Ok(lab.file("run/soak.sock"))
}

impl Site {
    /// Writes the configuration of this turn.
    pub(crate) fn configure(&self, lab: &Lab, turn: u32, pair: &str) -> Result<(), String> {
        configure(lab, (self.name, self.kind, self.role), turn, pair).map(drop)
    }
}

/// Writes the configuration of this turn and returns its path.
///
/// Its caps are above the load, except for those of the role.
fn configure(
    lab: &Lab,
    (name, kind, role): (&str, Kind, Role),
    turn: u32,
    pair: &str,
) -> Result<String, String> {
    let mut text = "[transport]\nhandshake_timeout = '10s'\n".to_owned();
    text += match turn % 3 {
        0 => "",
        1 => {
            "per_peer.max_conns = 3000\nrates.per_conn_bytes_per_sec = '8MiB'\n\
             rates.global_ingress_bytes_per_sec = '64MiB'\n"
        }
        _ => {
            "rates.per_peer_bytes_per_sec = '64MiB'\nrates.accepts_per_sec = 5000\n\
             limits.chunk_bytes = '32KiB'\n"
        }
    };
    text += match role {
        Role::Evict => "max_conns = 40\noverflow = 'evict'\nevict_after = '5s'\n".to_owned(),
        Role::Memory => "max_conns = 4096\nlimits.memory_bytes = '4MiB'\n".to_owned(),
        Role::Plain | Role::Workers => format!("max_conns = {}\n", 4000 + turn % 3),
    }
    .as_str();
    match kind {
        Kind::Tls => {
            let (cert, key) = (lab.pki.cert(pair), lab.pki.key(pair));
            text += &format!("backend = 'tls'\ntls.cert_path = '{cert}'\ntls.key_path = '{key}'\n");
        }
        Kind::Proxy => text += "proxy.trusted = ['127.0.0.0/8']\nproxy.required = true\n",
        Kind::Tcp | Kind::Frames | Kind::Uds => {}
    }
    lab.write(&format!("{name}.toml"), &text)
}

/// A running example of `transport-http`, which has no admin endpoint.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    process: Process,
}

impl Example {
    /// Starts the examples in this folder.
    pub(crate) fn start_all(dir: &Path) -> Result<Vec<Self>, String> {
        ["axum", "tonic"]
            .map(|name| Self::start(dir, name))
            .into_iter()
            .collect()
    }

    fn start(dir: &Path, name: &'static str) -> Result<Self, String> {
        let program = dir.join(name);
        let mut command = command_without_settings("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        command.env("RON_TRANSPORT_BIND_ADDR", "127.0.0.1:0");
        let process = Process::start_prepared(&mut command)?;
        let addr = listening(&process.out);
        let addr = addr.ok_or_else(|| format!("{name} does not start: {}", process.err.text()))?;
        Ok(Self {
            name,
            addr,
            process,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the example; its drain must abort no connection.
    pub(crate) fn stop(self) -> Result<(), String> {
        self.process.signal(Signal::TERM)?;
        let ended = self.process.wait(PATIENCE)?;
        let out = String::from_utf8_lossy(&ended.out).into_owned();
        let is_good = ended.status.success() && out.trim_end().ends_with("aborted 0");
        is_good
            .then_some(())
            .ok_or_else(|| format!("ended with {}: {out}{}", ended.status, ended.err))
    }
}

/// Returns the address that the example prints.
fn listening(out: &Output) -> Option<SocketAddr> {
    out.line(|line| line.strip_prefix("listening on ")?.trim().parse().ok())
}
