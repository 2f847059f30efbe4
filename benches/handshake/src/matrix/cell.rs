//! The cells of the matrix.

use std::net::SocketAddr;

use crate::load_process::Load;

/// MiB that a bulk cell sends and receives.
const BULK_MIB: u32 = 256;
const MESSAGES: u32 = 8_000;
const CONNECTIONS: u32 = 1_600;
const HANDSHAKES: u32 = 800;

/// The cost that a cell compares.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cost {
    /// CPU seconds of a load, scaled to a unit.
    Cpu {
        /// Orders to the client process; `ADDR` stands for the address.
        orders: &'static [&'static str],
        count: u32,
        per: f64,
        unit: &'static str,
    },
    /// Resident memory for each idle pair, in KiB.
    Memory,
}

/// A load and its unit.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) tls: bool,
    pub(crate) cost: Cost,
    /// The largest accepted ratio to the better of nginx and `HAProxy`.
    pub(crate) target: f64,
}

const fn bulk(orders: &'static [&'static str]) -> Cost {
    // A GB is sent and echoed.
    let per = 1e9 / ((BULK_MIB as f64) * 1_048_576.0);
    let count = BULK_MIB << 20;
    Cost::Cpu {
        orders,
        count,
        per,
        unit: "s",
    }
}

const fn each(orders: &'static [&'static str], count: u32) -> Cost {
    let per = 1e6 / count as f64;
    Cost::Cpu {
        orders,
        count,
        per,
        unit: "us",
    }
}

const fn cell(name: &'static str, title: &'static str, tls: bool, cost: Cost, target: f64) -> Cell {
    Cell {
        name,
        title,
        tls,
        cost,
        target,
    }
}

/// All cells, in the order of the report.
pub(crate) static CELLS: &[Cell] = &[
    cell(
        "tcp-bulk",
        "TCP bulk, CPU s per GB echoed",
        false,
        bulk(&["hold-tcp ADDR 1", "bulk COUNT"]),
        0.85,
    ),
    cell(
        "tcp-ping",
        "TCP 64 B ping, CPU us per message",
        false,
        each(&["hold-tcp ADDR 1", "ping COUNT", "bulk 0"], MESSAGES),
        1.0,
    ),
    cell(
        "tcp-connect",
        "TCP connect, 64 B, close; CPU us per connection",
        false,
        each(&["tcp ADDR COUNT"], CONNECTIONS),
        1.0,
    ),
    cell(
        "tcp-idle",
        "TCP idle, KiB per proxied pair",
        false,
        Cost::Memory,
        1.0,
    ),
    cell(
        "tls-bulk",
        "TLS bulk, CPU s per GB echoed",
        true,
        bulk(&["hold ADDR 1", "bulk COUNT"]),
        0.60,
    ),
    cell(
        "tls-ping",
        "TLS 64 B ping, CPU us per message",
        true,
        each(&["hold ADDR 1", "ping COUNT", "bulk 0"], MESSAGES),
        0.90,
    ),
    cell(
        "tls-full",
        "TLS full handshake, 64 B, close; CPU us per connection",
        true,
        each(&["full ADDR COUNT"], HANDSHAKES),
        0.55,
    ),
    cell(
        "tls-resumed",
        "TLS resumed handshake, 64 B, close; CPU us per connection",
        true,
        each(&["resumed ADDR COUNT"], HANDSHAKES),
        0.55,
    ),
    cell(
        "tls-idle",
        "TLS idle, KiB per proxied pair",
        true,
        Cost::Memory,
        0.70,
    ),
];

impl Cell {
    /// Runs the load of a cell of CPU time once.
    pub(crate) fn run(&self, load: &mut Load, addr: SocketAddr) {
        let Cost::Cpu { orders, count, .. } = self.cost else {
            return;
        };
        for order in orders {
            let order = order.replace("ADDR", &addr.to_string());
            load.order(&order.replace("COUNT", &count.to_string()));
        }
    }
}
