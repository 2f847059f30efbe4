//! The curves of one gateway: connections, workers, memory, descriptors.
//!
//! `cargo xtask bench scale` writes them to a report. Tables about replicas come from a file.

mod ceiling;
mod connections;
mod handshakes;
mod memory;
mod options;
mod page;

use std::net::SocketAddr;

use crate::pki::Pki;
use crate::proxy::Proxy;
use crate::servers::LIMITS;
use crate::upstream;

use options::Options;
use page::Table;

/// A part of the bench: its name and its measurement.
type Part = (&'static str, fn(&Bench) -> Table);

const PARTS: &[Part] = &[
    ("connections", connections::measure),
    ("handshakes", handshakes::measure),
    ("memory", memory::measure),
    ("ceiling", ceiling::measure),
];

/// Measures the chosen parts and writes the report.
pub(crate) fn run(args: &[&str]) {
    let options = Options::parse(args);
    let bench = Bench {
        pki: Pki::new(),
        upstream: upstream::start(),
        options,
    };
    let parts = PARTS.iter().filter(|(name, _)| bench.options.wants(name));
    let mut tables: Vec<_> = parts.map(|(_, measure)| measure(&bench)).collect();
    if let Some(file) = &bench.options.replicas {
        tables.extend(page::read(file));
    }
    for table in &tables {
        println!("{}", table.text());
    }
    if let Some(dir) = &bench.options.out {
        page::write(dir, &tables);
    }
}

/// A service of the gateway.
#[derive(Clone, Copy)]
struct Service {
    name: &'static str,
    mode: &'static str,
    tls: bool,
}

const TCP_ECHO: Service = service("TCP", "echo", false);
const TLS_ECHO: Service = service("TLS", "echo", true);
const FRAMES: Service = service("frames over TCP", "echo_frames", false);
const TLS_FRAMES: Service = service("frames over TLS", "echo_frames", true);
const TCP_RELAY: Service = service("TCP, relayed", "forward", false);
const TLS_RELAY: Service = service("TLS, relayed", "forward", true);

const fn service(name: &'static str, mode: &'static str, tls: bool) -> Service {
    Service { name, mode, tls }
}

impl Service {
    /// Returns the order that holds this many connections open.
    fn hold(self, addr: SocketAddr, count: usize) -> String {
        let order = if self.tls { "hold" } else { "hold-tcp" };
        format!("{order} {addr} {count}")
    }
}

struct Bench {
    pki: Pki,
    upstream: SocketAddr,
    options: Options,
}

impl Bench {
    /// Starts a gateway with every limit on and none reached.
    fn gateway(&self, service: Service, workers: usize) -> Proxy {
        let to = format!("tcp://{}", self.upstream);
        let (cert, key) = (self.pki.dir.file("cert.pem"), self.pki.dir.file("key.pem"));
        let mut settings = vec![
            ("gateway.mode", service.mode),
            ("gateway.log.level", "warn"),
        ];
        if service.mode == "forward" {
            settings.push(("gateway.forward_to", &to));
        }
        if service.tls {
            settings.extend([
                ("transport.backend", "tls"),
                ("transport.tls.cert_path", &*cert),
                ("transport.tls.key_path", &*key),
            ]);
        }
        let limits = LIMITS
            .iter()
            .map(|(key, value)| (format!("transport.{key}"), *value));
        let limits: Vec<_> = limits.collect();
        settings.extend(limits.iter().map(|(key, value)| (&**key, *value)));
        Proxy::gateway_on(workers, &self.options.gateway, &self.pki, &settings)
    }
}
