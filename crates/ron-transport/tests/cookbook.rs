//! Runs the examples of `docs/EMBEDDING.md` against foreign programs: redis-cli, Redis and Python.
//!
//! A test without its program prints "skipped".
#![cfg(all(feature = "tls", feature = "uds"))]
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "cookbook/framed_rpc.rs"]
mod framed_rpc;
#[path = "cookbook/redis.rs"]
mod redis;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program of an example, which cargo builds beside this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is missing: build it with `cargo build --examples --all-features`",
        program.display()
    );
    program
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running example.
struct Server {
    child: Ends,
    stdout: BufReader<ChildStdout>,
    /// The address that it listens on.
    at: String,
}

impl Server {
    fn start(name: &str, args: &[&str], settings: &[(&str, String)]) -> Self {
        let mut command = Command::new(program(name));
        command.env("RON_TRANSPORT_BIND_ADDR", "127.0.0.1:0");
        for (key, value) in settings {
            command.env(key, value);
        }
        command.args(args).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let at = line.trim().strip_prefix("listening on ").unwrap();
        Self {
            at: at.to_owned(),
            child: Ends(child),
            stdout,
        }
    }

    fn port(&self) -> &str {
        self.at.rsplit(':').next().unwrap()
    }

    /// Sends SIGTERM.
    fn terminate(&self) {
        let pid = self.child.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }

    /// Waits for the end, and returns the last line.
    fn wait(mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert!(self.child.0.wait().unwrap().success());
        rest
    }
}

/// Runs a program to its end; `None` if the machine lacks it.
fn run(command: &mut Command) -> Option<String> {
    match command.output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {errors}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            println!("skipped: {:?}: {error}", command.get_program());
            None
        }
    }
}

#[test]
fn embedding_page_has_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/EMBEDDING.md")).unwrap();
    for name in ["redis", "framed_rpc", "custom_backend"] {
        let program = root.join(format!("examples/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        assert!(
            page.contains(&program),
            "{name}: copy the example to the page"
        );
    }
}
