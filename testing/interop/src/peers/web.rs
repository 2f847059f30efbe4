//! A small HTTP server (Python's) behind the gateway.

use std::fs;

use crate::gateway::Gateway;
use crate::lab::Lab;
use ron_lab::process::Process;

/// Serves `payload.bin` and `page.html` over plain HTTP.
pub(crate) struct Web {
    _process: Process,
    pub(crate) port: u16,
}

impl Web {
    pub(crate) fn start(lab: &Lab, page: &str) -> Result<Self, String> {
        let root = lab.path("web");
        let written = fs::create_dir_all(&root)
            .and_then(|()| fs::write(root.join("payload.bin"), &lab.payload))
            .and_then(|()| fs::write(root.join("page.html"), page));
        written.map_err(|e| format!("cannot write the served files: {e}"))?;
        let mut command = lab.python("none");
        command.args(["-m", "http.server", "0", "--bind", "127.0.0.1"]);
        let process = Process::start(command.arg("--directory").arg(root))?;
        let port = process.out.line(|line| {
            let (_, after) = line.split_once(" port ")?;
            after.split(' ').next()?.parse().ok()
        });
        let port = port.ok_or_else(|| format!("no HTTP server: {}", process.err.text()))?;
        Ok(Self {
            _process: process,
            port,
        })
    }

    /// Starts a gateway that terminates TLS in front of the server.
    pub(super) fn gateway(&self, lab: &Lab, more: &[&str]) -> Result<Gateway, String> {
        let target = format!("tcp://127.0.0.1:{}", self.port);
        let mut args = vec!["--forward", target.as_str()];
        args.extend(more);
        Gateway::echo(lab, &args)
    }
}
