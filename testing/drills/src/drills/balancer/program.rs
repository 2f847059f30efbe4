//! The balancers, each with its example configuration of `deploy/`.

use std::process::Command;

use ron_lab::netns::Netns;
use ron_lab::process::{wait_for, Process, PATIENCE};
use ron_lab::Lab;

use super::clients;
use crate::case::{ensure, Stop};

/// The clients' address, in an empty network namespace.
pub(super) const FRONT: &str = "127.0.0.1:9444";
/// The last part of the replicas' addresses.
pub(super) const REPLICAS: [u8; 3] = [11, 12, 13];

/// A balancer of another project.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// The version of its PROXY header.
    pub(super) header: &'static str,
    program: &'static str,
    version: &'static [&'static str],
    file: &'static str,
    example: &'static str,
    /// Changes of the example: its address, and round robin.
    changes: &'static [(&'static str, &'static str)],
    /// Arguments; `FILE` stands for the configuration.
    args: &'static [&'static str],
}

pub(super) const HAPROXY: Program = Program {
    name: "HAProxy",
    header: "v2",
    program: "haproxy",
    version: &["-v"],
    file: "haproxy.cfg",
    example: include_str!("../../../../../deploy/haproxy/haproxy.cfg"),
    changes: &[
        ("bind :9444", "bind 127.0.0.1:9444"),
        ("balance source", "balance roundrobin"),
        ("    hash-type consistent\n", ""),
    ],
    args: &["-db", "-f", "FILE"],
};

pub(super) const NGINX: Program = Program {
    name: "nginx",
    header: "v1",
    program: "nginx",
    version: &["-v"],
    file: "nginx.conf",
    example: include_str!("../../../../../deploy/nginx/nginx.conf"),
    changes: &[
        ("listen 9444", "listen 127.0.0.1:9444"),
        ("        hash $remote_addr consistent;\n", ""),
    ],
    args: &[
        "-e",
        "stderr",
        "-c",
        "FILE",
        "-g",
        "daemon off; pid FILE.pid;",
    ],
};

pub(super) const ENVOY: Program = Program {
    name: "Envoy",
    header: "v2",
    program: "envoy",
    version: &["--version"],
    file: "envoy.yaml",
    example: include_str!("../../../../../deploy/envoy/envoy.yaml"),
    changes: &[
        (
            "address: 0.0.0.0, port_value: 9444",
            "address: 127.0.0.1, port_value: 9444",
        ),
        ("lb_policy: MAGLEV", "lb_policy: ROUND_ROBIN"),
    ],
    args: &[
        "-c",
        "FILE",
        "--log-level",
        "warn",
        "--disable-hot-restart",
        "--concurrency",
        "2",
    ],
};

impl Program {
    /// Starts the balancer in a network namespace and waits until it serves.
    pub(super) fn start(&self, lab: &Lab, netns: &Netns) -> Result<Process, Stop> {
        let found = Command::new(self.program).args(self.version).output();
        found.map_err(|e| Stop::Skip(format!("{} does not run: {e}", self.program)))?;
        let file = lab.write(self.file, &self.config()?)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &netns.name]);
        command.args(["setpriv", "--pdeathsig", "KILL", self.program]);
        command.args(self.args.iter().map(|arg| arg.replace("FILE", &file)));
        let balancer = Process::start_prepared(&mut command)?;
        let served = netns.within(|| {
            let what = format!("an answer through {}", self.name);
            wait_for(
                &what,
                PATIENCE,
                || Ok(clients::answers(super::front()).ok()),
            )
        })?;
        served.map_err(|error| format!("{error}: {}", balancer.err.text()))?;
        Ok(balancer)
    }

    /// Returns the example with the addresses of the drill.
    fn config(&self) -> Result<String, Stop> {
        let mut text = self.example.to_owned();
        let hosts = REPLICAS.map(|host| (format!("192.0.2.{host}"), format!("127.0.0.{host}")));
        let hosts = hosts.iter().map(|(from, to)| (from.as_str(), to.as_str()));
        for (from, to) in self.changes.iter().copied().chain(hosts) {
            ensure(text.contains(from), || {
                format!("the example {} has no {from:?}", self.file)
            })?;
            text = text.replace(from, to);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_have_what_the_drill_changes() {
        for program in [&HAPROXY, &NGINX, &ENVOY] {
            let Ok(text) = program.config() else {
                panic!("{}", program.name);
            };
            assert!(!text.contains("192.0.2."), "{text}");
            assert!(text.contains("127.0.0.13"), "{text}");
        }
    }
}
