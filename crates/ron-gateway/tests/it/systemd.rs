//! A service manager is told what happens, and its sockets are taken over.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;

use crate::common::{connect, echoes, Gateway, Start, PATIENCE};

/// The manager's end.
struct Manager {
    _dir: tempfile::TempDir,
    path: String,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        Self {
            _dir: dir,
            path,
            socket,
        }
    }

    /// The next message that is not the watchdog's.
    fn told(&self) -> String {
        loop {
            let message = self.any();
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }

    fn any(&self) -> String {
        let mut buffer = [0; 512];
        let read = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    }
}

fn start(manager: &Manager, args: &[&str]) -> Gateway {
    Start::default()
        .args(args)
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "100000")
        .spawn()
}

#[test]
fn start_reload_and_stop_are_told_and_the_watchdog_is_fed() {
    let manager = Manager::new();
    let gateway = start(&manager, &[]);
    assert_eq!(manager.told(), "READY=1\n");
    for _ in 0..5 {
        assert_eq!(manager.any(), "WATCHDOG=1\n");
    }
    gateway.signal(Signal::HUP);
    let reloading = manager.told();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let time: u64 = time.unwrap().trim_end().parse().unwrap();
    assert!(time > 0);
    assert_eq!(manager.told(), "READY=1\n");
    gateway.signal(Signal::TERM);
    assert_eq!(manager.told(), "STOPPING=1\n");
    assert_eq!(gateway.wait().0.code(), Some(0));
}

#[test]
fn watchdog_without_a_pid_is_fed() {
    let manager = Manager::new();
    let gateway = Start::default()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "100000")
        .watchdog_of_all()
        .spawn();
    assert_eq!(manager.told(), "READY=1\n");
    assert_eq!(manager.any(), "WATCHDOG=1\n");
    gateway.stop();
}

#[test]
fn a_manager_that_is_gone_stops_nobody() {
    let manager = Manager::new();
    std::fs::remove_file(&manager.path).unwrap();
    let gateway = start(&manager, &[]);
    gateway.line_with(&["event=systemd", "cannot notify"]);
    assert!(echoes(&mut connect(gateway.addr)));
    gateway.stop();
}

/// Serving, reloading and stopping wait for no manager; one that reads again learns the state.
#[test]
fn a_manager_that_does_not_read_holds_nobody_up() {
    let manager = Manager::new();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    let mut full = 0;
    while filler.send_to(b"full", &manager.path).is_ok() {
        full += 1;
    }
    let gateway = start(&manager, &[]);
    gateway.line_with(&["event=systemd", "does not read"]);
    assert!(echoes(&mut connect(gateway.addr)));
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"ok\"}", 1);
    assert!(echoes(&mut connect(gateway.addr)));
    for _ in 0..full {
        assert_eq!(manager.any(), "full");
    }
    assert_eq!(manager.told(), "READY=1\n");
    while filler.send_to(b"full", &manager.path).is_ok() {}
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().0.code(), Some(0));
}

#[test]
fn a_manager_may_have_an_abstract_address() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("ron-gateway-test-{}", std::process::id());
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&addr).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let gateway = Start::default()
        .env("NOTIFY_SOCKET", &format!("@{name}"))
        .spawn();
    let mut buffer = [0; 64];
    let read = manager.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..read], *b"READY=1\n");
    gateway.stop();
}

/// 0 is off, as `sd_watchdog_enabled` has it.
#[test]
fn a_watchdog_of_no_time_is_off() {
    let manager = Manager::new();
    let gateway = Start::default()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "0")
        .spawn();
    assert_eq!(manager.any(), "READY=1\n");
    gateway.signal(Signal::TERM);
    assert_eq!(manager.any(), "STOPPING=1\n");
    assert_eq!(gateway.wait().0.code(), Some(0));
}

#[test]
fn a_socket_that_is_passed_on_is_listened_on_and_outlives_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // It queues until the service is there: none is refused.
    let mut early = connect(addr);
    let gateway = Start::default()
        .socket(listener.try_clone().unwrap())
        .spawn();
    gateway.line_with(&["event=start", "inherited=true"]);
    assert_eq!(gateway.addr, addr);
    assert!(echoes(&mut early) && echoes(&mut connect(addr)));
    gateway.stop();
    let mut between = connect(addr);
    let next = Start::default().socket(listener).spawn();
    assert!(echoes(&mut between));
    next.stop();
}

#[test]
fn a_socket_that_nothing_can_listen_on_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let datagram = UnixDatagram::bind(dir.path().join("socket")).unwrap();
    let (code, errors) = refused(Start::default().socket(datagram));
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("LISTEN_FDS"), "{errors}");

    let unix = std::os::unix::net::UnixListener::bind(dir.path().join("unix")).unwrap();
    let (code, errors) = refused(Start::default().socket(unix));
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("backend tcp cannot listen"), "{errors}");
    assert!(Path::new(&dir.path().join("unix")).exists());

    // What it is, and not that it is no TCP socket alone.
    assert!(refused(Start::default().socket(fs_file()))
        .1
        .contains("nor a Unix stream socket"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = connect(listener.local_addr().unwrap());
    let (code, errors) = refused(Start::default().socket(connected));
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("LISTEN_FDS cannot be used: "), "{errors}");
    assert!(errors.contains("does not listen"), "{errors}");
}

fn fs_file() -> std::fs::File {
    std::fs::File::open("/dev/null").unwrap()
}

/// With the keys that the comment in the unit names, and no other.
#[test]
fn a_unix_socket_that_is_passed_on_needs_what_the_unit_file_says() {
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/deploy/ron-gateway.socket"
    );
    let unit = std::fs::read_to_string(unit).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let uid = std::fs::metadata("/proc/self").unwrap().uid().to_string();
    let all = [
        ("backend", "uds"),
        ("uds.path", path.to_str().unwrap()),
        ("uds.allow_uids", &uid),
    ];
    let named = all.into_iter().filter(|(key, _)| unit.contains(key));
    let args: Vec<_> = named
        .flat_map(|(key, value)| [format!("--transport.{key}"), value.to_owned()])
        .collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let gateway = Start::default()
        .unbound()
        .args(&args)
        .socket(listener)
        .spawn();
    gateway.line_with(&["event=start", "inherited=true"]);
    gateway.stop();
    assert!(path.exists());
}

fn refused(start: Start) -> (i32, String) {
    let output = start.command().output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), errors)
}
