//! Several listeners in one process: labels, shared limits, sockets by name, and reloads.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::common::{
    connect, echoes, ended, field, refuses, round_trip, run, wait_for, Gateway, Start,
};

/// A configuration file that is replaced by renames, so that no reload reads a part of it.
struct ConfigFile {
    dir: tempfile::TempDir,
}

impl ConfigFile {
    fn new(text: &str) -> Self {
        let file = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    fn write(&self, text: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.path()).unwrap();
    }

    fn start(&self) -> Gateway {
        let path = self.path();
        let args = ["--config", path.to_str().unwrap()];
        Start::default().unbound().args(&args).spawn()
    }
}

/// Returns the logged address of a listener, once it has started.
fn addr_of(gateway: &Gateway, name: &str) -> SocketAddr {
    let line = gateway.line_with(&["event=start", &format!("transport={name} ")]);
    field(&line, "listen").unwrap().parse().unwrap()
}

/// Reloads, and waits for a log line with these texts that appears afterwards.
fn reload(gateway: &Gateway, result: &str) {
    let series = |result: &str| -> f64 {
        let scrape = gateway.get("/metrics").body;
        let wanted = format!("result=\"{result}\"");
        let lines = scrape
            .lines()
            .filter(|line| line.starts_with("transport_reloads_total") && line.contains(&wanted));
        lines
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    };
    let before = series(result);
    gateway.signal(Signal::HUP);
    wait_for(&format!("a reload that is {result}"), || {
        (series(result) > before + 0.5).then_some(())
    });
}

const TWO: &str = "\
[transport]
max_conns = 3
[listeners.public]
bind_addr = '127.0.0.1:0'
[listeners.private]
bind_addr = '127.0.0.1:0'
mode = 'echo_frames'
";

#[test]
fn listeners_share_the_cap_and_have_labels() {
    let gateway = ConfigFile::new(TWO).start();
    let (public, private) = (addr_of(&gateway, "public"), addr_of(&gateway, "private"));
    let (mut one, mut two) = (connect(public), connect(public));
    assert!(echoes(&mut one) && echoes(&mut two));
    let mut three = connect(private);
    let frame = [0, 0, 0, 2, 7, 7];
    three.write_all(&frame).unwrap();
    let mut back = [0; 6];
    three.read_exact(&mut back).unwrap();
    assert_eq!(back, frame);
    assert!(refuses(public) && refuses(private));
    for (series, value) in [
        ("conn_inflight{transport=\"public\",backend=\"tcp\"}", 2),
        ("conn_inflight{transport=\"private\",backend=\"tcp\"}", 1),
        (
            "rejected_total{transport=\"public\",reason=\"conn_limit\"}",
            1,
        ),
        (
            "rejected_total{transport=\"private\",reason=\"conn_limit\"}",
            1,
        ),
        ("transport_readiness{transport=\"private\"}", 2),
    ] {
        gateway.wait_metric(series, value);
    }
    let status: serde_json::Value = serde_json::from_str(&gateway.get("/status").body).unwrap();
    assert_eq!(status["listeners"][0]["name"], "private");
    assert_eq!(status["listeners"][0]["mode"], "echo_frames");
    assert_eq!(status["listeners"][1]["listen"], public.to_string());
    let connections: serde_json::Value =
        serde_json::from_str(&gateway.get("/connections").body).unwrap();
    assert_eq!(connections["connections"].as_array().unwrap().len(), 3);
    drop((one, two, three));
    for name in ["public", "private"] {
        gateway.wait_metric(
            &format!("conn_inflight{{transport=\"{name}\",backend=\"tcp\"}}"),
            0,
        );
    }
    let log = gateway.stop();
    let sums: Vec<_> = log
        .lines()
        .filter(|line| line.contains("listeners=2"))
        .collect();
    assert_eq!(sums.len(), 1, "{log}");
    assert!(
        sums[0].contains("event=shutdown") && sums[0].contains("aborted=0"),
        "{log}"
    );
}

#[test]
fn drain_has_one_deadline_and_one_sum() {
    let file = ConfigFile::new(&format!(
        "[transport]\ndrain_timeout = '300ms'\n{}",
        &TWO[12..]
    ));
    let gateway = file.start();
    let mut all: Vec<TcpStream> = ["public", "private"]
        .map(|name| connect(addr_of(&gateway, name)))
        .into();
    // A half frame and an unread request: neither is idle.
    assert!(echoes(&mut all[0]));
    all[1].write_all(&[0, 0, 0, 9, 1]).unwrap();
    gateway.wait_metric("bytes_in_total{transport=\"private\",backend=\"tcp\"}", 5);
    let log = gateway.stop();
    let sum = log
        .lines()
        .find(|line| line.contains("listeners=2"))
        .unwrap();
    assert_eq!(field(sum, "open"), Some("2"), "{log}");
    let duration: u64 = field(sum, "duration_ms").unwrap().parse().unwrap();
    assert!((300..3000).contains(&duration), "{sum}");
}

#[test]
fn reload_adds_changes_and_removes_listeners() {
    let file = ConfigFile::new(TWO);
    let gateway = file.start();
    let public = addr_of(&gateway, "public");
    let mut held = connect(public);
    assert!(echoes(&mut held));

    let three = format!("{TWO}[listeners.third]\nbind_addr = '127.0.0.1:0'\n");
    file.write(&three);
    reload(&gateway, "ok");
    let third = addr_of(&gateway, "third");
    let mut of_third = connect(third);
    assert!(echoes(&mut of_third) && echoes(&mut held));
    gateway.wait_metric("transport_readiness{transport=\"third\"}", 2);

    // Another mode, for new connections of one listener.
    file.write(&three.replace("'echo_frames'", "'echo'"));
    reload(&gateway, "ok");
    let private = addr_of(&gateway, "private");
    wait_for("the other mode", || {
        echoes(&mut connect(private)).then_some(())
    });

    // The third is removed: its idle connection ends in order, and its series are gone.
    file.write(TWO);
    reload(&gateway, "ok");
    assert!(ended(&mut of_third));
    wait_for("a closed port", || {
        TcpStream::connect(third).is_err().then_some(())
    });
    assert!(!gateway.get("/metrics").body.contains("\"third\""));
    assert!(echoes(&mut held) && echoes(&mut connect(public)));
    gateway.line_with(&["event=listener", "transport=third", "removed"]);
}

#[test]
fn broken_table_changes_no_listener() {
    let file = ConfigFile::new(TWO);
    let gateway = file.start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|addr| (addr, taken)).unwrap();
    for (text, named) in [
        // Unknown, out of range, shared, without an address, in use.
        (
            "[listeners.third]\nbind_adr = '127.0.0.1:0'\n",
            "listeners.third.bind_adr",
        ),
        (
            "[listeners.third]\nbind_addr = '127.0.0.1:0'\nidle_timeout = 'x'\n",
            "idle_timeout",
        ),
        (
            "[listeners.third]\nbind_addr = '127.0.0.1:0'\nmax_conns = 1\n",
            "is shared",
        ),
        (
            "[listeners.third]\nmode = 'echo'\n",
            "listeners.third.bind_addr",
        ),
        (
            &format!("[listeners.third]\nbind_addr = '{}'\n", taken.0),
            "listeners.third: ",
        ),
        ("[listeners.Third]\nbind_addr = '127.0.0.1:0'\n", "Third"),
    ] {
        // The other changes of the same file must not apply either.
        file.write(&(TWO.replace("max_conns = 3", "max_conns = 1") + text));
        reload(&gateway, "rejected");
        gateway.line_with(&["event=reload", "result=rejected", named]);
    }
    // A key that needs a restart, and a move of the other listener in the same reload.
    let moved = TWO.replace("mode = ", "tcp.backlog = 7\nmode = ");
    file.write(&moved);
    reload(&gateway, "rejected");
    gateway.line_with(&["listeners.private.tcp.backlog", "needs a restart"]);
    file.write("[transport]\nbind_addr = '127.0.0.1:0'\n");
    reload(&gateway, "rejected");
    gateway.line_with(&["needs a restart: the first or the last"]);
    let mut all: Vec<_> = (0..3)
        .map(|_| connect(addr_of(&gateway, "public")))
        .collect();
    assert!(all.iter_mut().all(echoes));
}

#[test]
fn moved_listener_drains_at_its_old_address() {
    let spare = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = spare.local_addr().unwrap();
    drop(spare);
    let file = ConfigFile::new(TWO);
    let gateway = file.start();
    let old = addr_of(&gateway, "public");
    let mut held = connect(old);
    assert!(echoes(&mut held));
    file.write(&TWO.replacen("'127.0.0.1:0'", &format!("'{to}'"), 1));
    reload(&gateway, "ok");
    wait_for("the new address", || TcpStream::connect(to).ok());
    assert!(echoes(&mut connect(to)));
    assert!(ended(&mut held));
    wait_for("the old address to be closed", || {
        TcpStream::connect(old).is_err().then_some(())
    });
    gateway.wait_metric("transport_readiness{transport=\"public\"}", 2);
    assert_eq!(gateway.get("/readyz").status, 200);
}

#[test]
fn conflicting_addresses_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        let (code, _, error) = run(&["check", "--config", file.to_str().unwrap()], &[]);
        assert_eq!(code, 2, "{error}");
        error
    };
    let two = |second: &str| {
        format!("[listeners.a]\nbind_addr = '127.0.0.1:7001'\n[listeners.b]\n{second}\n")
    };
    let error = check(&two("bind_addr = '0.0.0.0:7001'"));
    assert!(error.contains("listeners.b.bind_addr") && error.contains("listeners.a.bind_addr"));
    let error = check(&two("bind_addr = '127.0.0.1:9909'"));
    assert!(error.contains("gateway.admin_addr"), "{error}");
    let loops =
        "bind_addr = '127.0.0.1:7002'\nmode = 'forward'\nforward_to = 'tcp://localhost:7001'";
    let error = check(&two(loops));
    assert!(
        error.contains("listeners.b.forward_to") && error.contains("itself"),
        "{error}"
    );
    let error = check(&two("bind_addr = '127.0.0.1:7002'\nmode = 'forward'"));
    assert!(error.contains("listeners.b.mode"), "{error}");
}

#[test]
fn check_prints_each_listener() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, TWO.replace("127.0.0.1:0'\nm", "127.0.0.1:7002'\nm")).unwrap();
    let path = file.to_str().unwrap();
    let env = [("RON_LISTENERS_PUBLIC_READ_TIMEOUT", "7s")];
    let flag = ["--listeners.private.idle-timeout", "90s"];
    let args = [&["check", "--config", path][..], &flag].concat();
    let (code, out, error) = run(&args, &env);
    assert_eq!((code, error.as_str()), (0, ""));
    let (_, private) = out.split_once("[listeners.private]").unwrap();
    let (private, public) = private.split_once("[listeners.public]").unwrap();
    let line = |table: &str, key: &str| {
        let line = table.lines().find(|line| line.starts_with(key));
        line.unwrap_or_else(|| panic!("no {key} in {table}"))
            .to_owned()
    };
    assert!(line(private, "idle_timeout").contains("90s"));
    assert!(line(private, "idle_timeout").ends_with("flag --listeners.private.idle-timeout"));
    assert!(line(public, "read_timeout").ends_with("RON_LISTENERS_PUBLIC_READ_TIMEOUT"));
    assert!(line(private, "mode").contains("echo_frames"));
    assert!(!private.contains("max_conns"), "{private}");
    // The printed configuration loads and prints the same.
    fs::write(&file, &out).unwrap();
    let (code, again, _) = run(&["check", "--config", path], &[]);
    let values = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.split("  # ").next().unwrap().trim_end().to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!((code, values(&again)), (0, values(&out)));
    for (args, env, named) in [
        (
            &["--listeners.x.nothing", "1"][..],
            ("A", "1"),
            "--listeners.x.nothing",
        ),
        (&["--listeners.x", "1"], ("A", "1"), "a name is missing"),
        (
            &[],
            ("RON_LISTENERS_OTHER_MODE", "echo"),
            "RON_LISTENERS_OTHER_MODE",
        ),
        (
            &[],
            ("RON_LISTENERS_PUBLIC_MODES", "echo"),
            "RON_LISTENERS_PUBLIC_MODE",
        ),
    ] {
        let args = [&["check", "--config", path][..], args].concat();
        let (code, _, error) = run(&args, &[env]);
        assert!(code == 2 && error.contains(named), "{error}");
    }
}

/// Binds two sockets and starts the gateway with them, as systemd does.
const ACTIVATE: &str = "\
import os, socket, sys
first, second = socket.socket(), socket.socket()
for bound in (first, second):
    bound.bind(('127.0.0.1', 0))
    bound.listen(8)
spare = [os.dup(bound.fileno()) for bound in (first, second)]
high = [fd + 40 for fd in spare]
for fd, to in zip(spare, high):
    os.dup2(fd, to)
for fd, to in zip(high, (3, 4)):
    os.dup2(fd, to, inheritable=True)
os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=sys.argv[1])
os.execvp(sys.argv[2], sys.argv[2:])
";

fn activated(names: &str, file: &Path) -> Start {
    let words = ["python3", "-c", ACTIVATE, names];
    let args = ["--config", file.to_str().unwrap()];
    Start::default().unbound().before(&words).args(&args)
}

#[test]
fn passed_sockets_go_to_listeners_by_name() {
    let named = "[listeners.a]\nread_timeout = '4s'\n[listeners.b]\nmode = 'echo_frames'\n";
    let file = ConfigFile::new(named);
    let gateway = activated("b:a", &file.path()).spawn();
    let line = gateway.line_with(&["event=start", "transport=a "]);
    assert_eq!(field(&line, "inherited"), Some("true"), "{line}");
    assert!(echoes(&mut connect(addr_of(&gateway, "a"))));
    let frame = [0, 0, 0, 1, 9];
    assert_eq!(round_trip(connect(addr_of(&gateway, "b")), &frame), frame);
    gateway.stop();
    file.write(TWO);
    let cases = [
        ("private:c", "which is no listener"),
        ("public:public", "two sockets"),
    ];
    for (names, reason) in cases {
        let output = activated(names, &file.path()).command().output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && error.contains(reason),
            "{error}"
        );
    }
}

#[test]
fn add_and_remove_under_load_lose_nothing() {
    let file = ConfigFile::new(TWO.replace("max_conns = 3", "max_conns = 100").as_str());
    let gateway = file.start();
    let public = addr_of(&gateway, "public");
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let with_third = {
        let text = fs::read_to_string(file.path()).unwrap();
        format!("{text}[listeners.third]\nbind_addr = '127.0.0.1:0'\n")
    };
    let without = fs::read_to_string(file.path()).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(round_trip(connect(public), b"a request"), b"a request");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..10 {
            for text in [&with_third, &without] {
                file.write(text);
                reload(&gateway, "ok");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(done.into_inner() > 0);
    gateway.wait_metric(
        "transport_closes_total{transport=\"public\",backend=\"tcp\",reason=\"error\"}",
        0,
    );
}

/// The public listener with TLS, and the private one on a Unix socket.
#[cfg(all(feature = "tls", feature = "uds"))]
mod with_tls {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::common::{Pki, PATIENCE};

    /// Number of reloads, each of which changes the private listener only.
    const RELOADS: u32 = 200;

    fn ask_private(path: &Path) {
        let mut private = UnixStream::connect(path).unwrap();
        private.set_read_timeout(Some(PATIENCE)).unwrap();
        private.write_all(b"private").unwrap();
        let mut back = [0; 7];
        private.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"private");
    }

    #[test]
    fn reloads_of_private_keep_public_connections() {
        let pki = Pki::new();
        pki.server("one");
        fs::set_permissions(pki.dir(), fs::Permissions::from_mode(0o700)).unwrap();
        let socket = pki.path("private");
        let (cert, key) = (pki.file("cert.pem"), pki.file("key.pem"));
        let uid = rustix::process::getuid().as_raw();
        let text = |idle: u32| {
            format!(
                "[listeners.public]\nbackend = 'tls'\nbind_addr = '127.0.0.1:0'\n\
                 tls.cert_path = '{cert}'\ntls.key_path = '{key}'\n\
                 [listeners.private]\nbackend = 'uds'\nuds.path = '{}'\n\
                 uds.allow_uids = [{uid}]\nidle_timeout = '{idle}s'\n",
                socket.display(),
            )
        };
        let file = ConfigFile::new(&text(60));
        let gateway = file.start();
        let target = format!("tls://localhost:{}", addr_of(&gateway, "public").port());
        let trust = pki.trust();
        let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
        // A second gateway is the TLS client: it makes a connection of each plain one.
        let client = Start::default()
            .args(&["--forward", &target])
            .args(&trust)
            .spawn();
        let mut held: Vec<TcpStream> = (0..8).map(|_| connect(client.addr)).collect();
        assert!(held.iter_mut().all(echoes));
        for n in 0..RELOADS {
            file.write(&text(61 + n));
            reload(&gateway, "ok");
            ask_private(&socket);
            let at = n as usize % held.len();
            assert!(echoes(&mut held[at]), "reload {n}");
            assert_eq!(
                round_trip(connect(client.addr), b"new"),
                b"new",
                "reload {n}"
            );
        }
        assert!(held.iter_mut().all(echoes));
        let open = "conn_inflight{transport=\"public\",backend=\"tls\"}";
        gateway.wait_metric(open, 8);
        let ended = |reason: &str| {
            format!("transport_closes_total{{transport=\"public\",backend=\"tls\",reason=\"{reason}\"}}")
        };
        gateway.wait_metric(&ended("eof"), RELOADS);
        for reason in ["error", "reset", "idle", "drained"] {
            gateway.wait_metric(&ended(reason), 0);
        }
        drop(held);
        gateway.stop();
    }
}
