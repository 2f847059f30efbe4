//! Errors of the command line, conflicts with sockets, signals in a drain.

use std::io::{Read, Write};
use std::net::TcpListener;

use rustix::process::Signal;

use crate::common::{connect, ended, run, Gateway, Start};

#[test]
fn wrong_command_line_names_the_word() {
    for (args, text) in [
        (
            &["check", "twice"][..],
            "unexpected argument after the command: \"twice\"",
        ),
        (&["dial"], "dial needs a target such as tcp://host:port"),
        (
            &["--echo", "--forward", "tcp://127.0.0.1:1"],
            "--echo, --echo-frames and --forward exclude each other",
        ),
        (
            &["--echo", "--echo-frames"],
            "--echo, --echo-frames and --forward exclude each other",
        ),
    ] {
        let (code, out, errors) = run(args, &[]);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(errors.contains(text), "{args:?}: {errors}");
        assert!(errors.contains("Try `ron-gateway --help`."), "{errors}");
    }
}

#[test]
fn public_admin_address_is_warned_of() {
    let args = [
        "check",
        "--admin",
        "0.0.0.0:9909",
        "--gateway.admin.show-peers",
        "on",
    ];
    let (code, out, errors) = run(&args, &[]);
    assert_eq!(code, 0, "{errors}");
    let all = out + &errors;
    assert!(
        all.contains("admin_addr is 0.0.0.0:9909: every host that reaches it can read metrics"),
        "{all}"
    );
    assert!(all.contains("admin.show_peers has no effect"), "{all}");
}

/// The address of an inherited socket is known only at the start.
#[test]
fn forward_to_inherited_socket_is_refused() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", socket.local_addr().unwrap());
    let start = Start::default().args(&["--forward", &to]).socket(socket);
    let output = start.command().output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let text = format!("forward_to = \"{to}\": this is the gateway itself");
    assert!(errors.contains(&text), "{errors}");
}

#[test]
fn number_of_passed_sockets_is_checked() {
    let args = ["--transport.bind-addr", "127.0.0.1:0", "--admin", ""];
    let (code, out, errors) = run(&args, &[("LISTEN_FDS", "many")]);
    assert_eq!((code, out.as_str()), (2, ""), "{errors}");
    let text = "LISTEN_FDS is many: it must be the number of passed sockets";
    assert!(errors.contains(text), "{errors}");
}

#[test]
fn signals_during_drain_change_nothing() {
    let gateway = Gateway::start(&["--echo-frames", "--transport.read-timeout", "10s"]);
    let mut busy = connect(gateway.addr);
    // A partial frame: the connection is not idle.
    busy.write_all(&[0, 0, 0, 2, b'a']).unwrap();
    gateway.wait_metric("bytes_in_total{backend=\"tcp\"}", 5);
    gateway.signal(Signal::TERM);
    gateway.line_with(&["event=ready", "reason=draining"]);
    gateway.signal(Signal::USR1);
    gateway.line_with(&["event=signal", "signal=SIGUSR1", "msg=ignored"]);
    gateway.signal(Signal::HUP);
    gateway.wait_metric("transport_reloads_total{result=\"rejected\"}", 1);
    gateway.line_with(&["event=reload", "the transport is shutting down"]);
    busy.write_all(b"b").unwrap();
    let mut back = [0; 6];
    busy.read_exact(&mut back).unwrap();
    assert_eq!(back, [0, 0, 0, 2, b'a', b'b']);
    assert!(ended(&mut busy));
    let (status, log, _) = gateway.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}
