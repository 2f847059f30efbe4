//! The costs of proxies: CPU per handshake, connection, message and byte; memory.
//!
//! Handshakes compare the library with bare tokio-rustls, proxied connections compare the gateway
//! with nginx and HAProxy. All subjects run in interleaved rounds of one run.
//!
//! `cargo xtask bench handshake [library|proxies|memory] [ROUNDS]`; a few rounds are a smoke test,
//! not a result. `cargo xtask bench matrix` compares all kinds of load, and `cargo xtask bench scale` one
//! gateway with more connections and workers. The clients run in a separate process, whose CPU is not
//! counted.
// A bench may panic, its bare side spawns untracked tasks as a bare program would, and a server's
// thread owns its channel.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
#![allow(clippy::needless_pass_by_value)]

mod clock;
mod cores;
mod idle;
mod library;
mod load;
mod load_process;
mod matrix;
mod memory;
mod pki;
mod proxies;
mod proxy;
mod relay;
mod scale;
mod servers;
mod stats;
mod upstream;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let rounds = |default| args.get(1).map_or(default, |text| text.parse().unwrap());
    match args.first() {
        // The other processes inherit the core of their parent.
        Some(&"load") => return load::run(),
        Some(&"relay") => return relay::run(args[1].parse().unwrap(), args[2].parse().unwrap()),
        Some(&"idle") => return idle::run(args[1], args[2].parse().unwrap()),
        _ => cores::measured(),
    }
    match args.first() {
        Some(&"library") => library::run(rounds(101)),
        Some(&"proxies") => proxies::run(rounds(31)),
        Some(&"matrix") => matrix::run(&args[1..]),
        Some(&"memory") => memory::run(rounds(3)),
        Some(&"scale") => scale::run(&args[1..]),
        _ => {
            eprintln!(
                "usage: ron-bench-handshake library|proxies|memory [ROUNDS]; matrix [OPTIONS]; scale [OPTIONS]"
            );
            std::process::exit(2);
        }
    }
}
