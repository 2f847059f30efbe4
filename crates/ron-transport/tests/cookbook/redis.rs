//! Redis behind the example, with redis-cli as the client.

use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use transport_testkit::pki::{Authority, PkiDir};

use super::{run, Ends, Server};

/// Attempts to see Redis start, and a client wait in it.
const ATTEMPTS: u32 = 500;

/// A Redis on a Unix socket; `None` if the machine has none.
///
/// In Debian's packages, `redis-server` and `redis-check-rdb` are one program, and the name that it is
/// called by decides. So the package with `redis-cli` has the server too.
fn start(socket: &Path) -> Option<Ends> {
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    for program in ["redis-server", "redis-check-rdb"] {
        let mut command = Command::new(program);
        command
            .arg0("redis-server")
            .args(["--port", "0", "--save", ""]);
        command.arg("--unixsocket").arg(socket);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => {
                let mut redis = Ends(child);
                for _ in 0..ATTEMPTS {
                    assert_eq!(redis.0.try_wait().unwrap(), None, "{program} has ended");
                    if UnixStream::connect(socket).is_ok() {
                        return Some(redis);
                    }
                    sleep(Duration::from_millis(20));
                }
                panic!("{program} does not listen on {}", socket.display());
            }
            Err(failed) => error = failed,
        }
    }
    println!("skipped: redis-server: {error}");
    None
}

/// The example in front of Redis.
struct Rig {
    proxy: Server,
    pki: PkiDir,
    _redis: Ends,
}

impl Rig {
    fn new(settings: &[(&'static str, &str)]) -> Option<Self> {
        let (pki, authority) = (PkiDir::new(), Authority::new());
        pki.write("ca.pem", &authority.pem());
        pki.write_pair("server", &authority.leaf(&["localhost"]));
        let socket = pki.path("redis.sock");
        run(Command::new("redis-cli").arg("--version"))?;
        let redis = start(&socket)?;
        let mut all = vec![
            ("RON_TRANSPORT_BACKEND", "tls".to_owned()),
            ("RON_TRANSPORT_TLS_CERT_PATH", pki.file("server.pem")),
            ("RON_TRANSPORT_TLS_KEY_PATH", pki.file("server.key")),
        ];
        all.extend(
            settings
                .iter()
                .map(|(key, value)| (*key, (*value).to_owned())),
        );
        let upstream = format!("unix://{}", socket.display());
        Some(Self {
            proxy: Server::start("redis", &[&upstream], &all),
            pki,
            _redis: redis,
        })
    }

    fn client(&self) -> Command {
        let mut client = Command::new("redis-cli");
        client.args(["--tls", "--cacert", &self.pki.file("ca.pem")]);
        client.args(["-h", "localhost", "-p", self.proxy.port()]);
        client
    }

    /// Runs redis-cli to its end.
    fn cli(&self, args: &[&str]) -> Output {
        self.client().args(args).output().unwrap()
    }

    /// Waits until a client waits in Redis, which is asked directly.
    fn wait_blocked(&self) {
        for _ in 0..ATTEMPTS {
            let mut command = Command::new("redis-cli");
            command.arg("-s").arg(self.pki.path("redis.sock"));
            let output = command.args(["INFO", "clients"]).output().unwrap();
            if text(&output).contains("blocked_clients:1") {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        panic!("no client waits in Redis");
    }
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap().trim()
}

#[test]
fn redis_cli_is_served_over_tls() {
    let Some(rig) = Rig::new(&[]) else { return };
    let set = rig.cli(&["SET", "key", "value"]);
    assert_eq!(text(&set), "OK", "{set:?}");
    assert_eq!(text(&rig.cli(&["GET", "key"])), "value");
    // 200 commands over one connection.
    let many = rig.cli(&["-r", "200", "INCR", "count"]);
    assert!(text(&many).ends_with("200"), "{many:?}");
    // A value of a megabyte, both ways.
    let long = rig.cli(&["EVAL", "return string.rep('x', 1000000)", "0"]);
    assert_eq!(text(&long).len(), 1_000_000);
    rig.proxy.terminate();
    assert_eq!(rig.proxy.wait(), "aborted 0\n");
}

#[test]
fn redis_answer_in_flight_survives_the_drain() {
    let Some(rig) = Rig::new(&[("RON_TRANSPORT_DRAIN_TIMEOUT", "10s")]) else {
        return;
    };
    // A list without elements: Redis answers after a second.
    let mut waits = rig.client();
    waits.args(["BLPOP", "empty", "1"]).stdout(Stdio::piped());
    let waits = waits.spawn().unwrap();
    rig.wait_blocked();
    rig.proxy.terminate();
    let output = waits.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(rig.proxy.wait(), "aborted 0\n");
}

#[test]
fn redis_client_over_the_cap_is_refused() {
    let Some(rig) = Rig::new(&[("RON_TRANSPORT_PER_PEER_MAX_CONNS", "1")]) else {
        return;
    };
    let mut waits = rig.client();
    waits.args(["BLPOP", "empty", "0"]).stdout(Stdio::null());
    let _waits = Ends(waits.spawn().unwrap());
    rig.wait_blocked();
    let refused = rig.cli(&["PING"]);
    assert_ne!(text(&refused), "PONG", "{refused:?}");
    assert!(!refused.status.success(), "{refused:?}");
}
