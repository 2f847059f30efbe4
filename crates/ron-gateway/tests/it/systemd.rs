//! The protocols of systemd: notifications and inherited sockets.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;

use crate::common::{connect, echoes, Gateway, Start, PATIENCE};

/// A service manager's end of the protocol.
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

    /// Returns the next message other than that of the watchdog.
    fn message(&self) -> String {
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
fn start_reload_stop_and_watchdog_notified() {
    let manager = Manager::new();
    let gateway = start(&manager, &[]);
    assert_eq!(manager.message(), "READY=1\n");
    for _ in 0..5 {
        assert_eq!(manager.any(), "WATCHDOG=1\n");
    }
    gateway.signal(Signal::HUP);
    let reloading = manager.message();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let time: u64 = time.unwrap().trim_end().parse().unwrap();
    assert!(time > 0);
    assert_eq!(manager.message(), "READY=1\n");
    gateway.signal(Signal::TERM);
    assert_eq!(manager.message(), "STOPPING=1\n");
    assert_eq!(gateway.wait().0.code(), Some(0));
}

#[test]
fn watchdog_without_pid_is_fed() {
    let manager = Manager::new();
    let gateway = Start::default()
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "100000")
        .watchdog_of_all()
        .spawn();
    assert_eq!(manager.message(), "READY=1\n");
    assert_eq!(manager.any(), "WATCHDOG=1\n");
    gateway.stop();
}

#[test]
fn missing_manager_is_ignored() {
    let manager = Manager::new();
    std::fs::remove_file(&manager.path).unwrap();
    let gateway = start(&manager, &[]);
    gateway.line_with(&["event=systemd", "cannot notify"]);
    assert!(echoes(&mut connect(gateway.addr)));
    gateway.stop();
}

/// A busy manager delays nothing; later it receives the current state.
#[test]
fn busy_manager_delays_nothing() {
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
    assert_eq!(manager.message(), "READY=1\n");
    while filler.send_to(b"full", &manager.path).is_ok() {}
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().0.code(), Some(0));
}

#[test]
fn abstract_manager_address_is_supported() {
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

/// 0 disables it, as in `sd_watchdog_enabled`.
#[test]
fn watchdog_of_0_is_off() {
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
fn inherited_socket_outlives_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // The socket queues connections until the service starts.
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
fn unusable_inherited_socket_is_rejected() {
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

    // The message names the actual cause, not only a missing TCP socket.
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

/// With exactly the keys in the comment of the unit.
#[test]
fn inherited_unix_socket_needs_unit_file_keys() {
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/systemd/ron-gateway.socket"
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
