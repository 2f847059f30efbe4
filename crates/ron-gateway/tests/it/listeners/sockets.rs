//! Sockets that a service manager passes, by name.

use std::path::Path;

use super::{addr_of, ConfigFile, TWO};
use crate::common::{connect, echoes, field, round_trip, Start};

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
    let output = activated("private:c", &file.path()).command().output();
    let output = output.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2) && error.contains("which is no listener"),
        "{error}"
    );
}

#[test]
fn sockets_of_one_name_are_one_listener() {
    for text in [TWO, "[transport]\n"] {
        let file = ConfigFile::new(text);
        let gateway = activated("public:public", &file.path()).spawn();
        let line = gateway.line_with(&["event=start", "inherited=true"]);
        let addrs: Vec<_> = field(&line, "listen").unwrap().split(',').collect();
        assert_eq!(addrs.len(), 2, "{line}");
        for addr in addrs {
            assert!(echoes(&mut connect(addr.parse().unwrap())));
        }
        gateway.stop();
    }
}
