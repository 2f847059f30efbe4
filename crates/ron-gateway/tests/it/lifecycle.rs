//! Start and stop of the gateway.

use std::io::{BufRead, Write};
use std::net::{Shutdown, TcpListener};

use rustix::process::Signal;

use crate::common::{command, connect, echoes, ended, field, read_all, run, Gateway, Start};

#[test]
fn signals_to_stop_drain_and_exit_with_0() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::XCPU] {
        let gateway = Gateway::start(&[]);
        let mut idle = connect(gateway.addr);
        assert!(echoes(&mut idle));
        gateway.signal(signal);
        let (status, log, errors) = gateway.wait();
        assert_eq!(status.code(), Some(0), "{log}\n{errors}");
        assert_eq!(errors, "");
        assert!(
            log.contains("reason=draining") && log.contains("event=shutdown"),
            "{log}"
        );
        assert!(ended(&mut idle));
    }
}

#[test]
fn deadly_default_signals_are_ignored() {
    let gateway = Gateway::start(&[]);
    let mut open = connect(gateway.addr);
    for (signal, name) in [
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::IO, "SIGIO"),
        (Signal::POWER, "SIGPWR"),
        (Signal::STKFLT, "SIGSTKFLT"),
    ] {
        gateway.signal(signal);
        let name_field = format!("signal={name}");
        gateway.line_with(&["event=signal", &name_field, "msg=ignored"]);
        assert!(echoes(&mut open), "{name}");
    }
    let kill = format!("kill -40 {}", gateway.pid());
    assert!(command("sh")
        .args(["-c", &kill])
        .status()
        .unwrap()
        .success());
    gateway.line_with(&["signal=\"a real-time signal\"", "msg=ignored"]);
    gateway.signal(Signal::XFSZ);
    assert!(echoes(&mut open));
    gateway.stop();
}

#[test]
fn busy_connection_served_during_drain() {
    let gateway = Gateway::start(&["--echo-frames", "--transport.read-timeout", "10s"]);
    let mut busy = connect(gateway.addr);
    // A partial frame: the connection is not idle.
    busy.write_all(&[0, 0, 0, 2, b'a']).unwrap();
    gateway.wait_metric("bytes_in_total{backend=\"tcp\"}", 5);
    gateway.signal(Signal::TERM);
    gateway.line_with(&["event=ready", "reason=draining"]);
    let ready = gateway.get("/readyz");
    let expected = r#"{"state":"not_ready","reason":"draining"}"#;
    assert_eq!((ready.status, ready.body.trim_end()), (503, expected));
    assert_eq!(gateway.get("/healthz").status, 200);
    busy.write_all(b"b").unwrap();
    busy.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut busy), [0, 0, 0, 2, b'a', b'b']);
    let (status, log, _) = gateway.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("aborted=0"), "{log}");
}

#[test]
fn second_signal_interrupts_the_drain() {
    let gateway = Gateway::start(&["--echo-frames", "--transport.drain-timeout", "1h"]);
    let mut busy = connect(gateway.addr);
    busy.write_all(&[0, 0, 0, 2, b'a']).unwrap();
    gateway.wait_metric("bytes_in_total{backend=\"tcp\"}", 5);
    gateway.signal(Signal::TERM);
    gateway.line_with(&["event=ready", "reason=draining"]);
    gateway.signal(Signal::INT);
    let (status, _, errors) = gateway.wait();
    assert_eq!(status.code(), Some(1));
    assert!(
        errors.contains("a second signal interrupted the drain"),
        "{errors}"
    );
}

#[test]
fn address_in_use_is_named_and_exits_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (bind, admin) in [(addr.as_str(), free), (free, addr.as_str())] {
        let args = ["--transport.bind-addr", bind, "--admin", admin];
        let (code, _, errors) = run(&args, &[]);
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains(&format!("cannot bind {addr}")), "{errors}");
        assert!(errors.contains("in use"), "{errors}");
    }
}

#[test]
fn gateway_runs_without_admin_and_log_reader() {
    let args = ["--transport.bind-addr", "127.0.0.1:0", "--admin", ""];
    let (_process, mut log) = Start::default().args(&args).spawn_bare();
    let mut line = String::new();
    while !line.contains("event=start") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    assert!(!line.contains("admin="), "{line}");
    drop(log);
    let addr = field(&line, "listen").unwrap().parse().unwrap();
    for _ in 0..20 {
        assert!(echoes(&mut connect(addr)));
    }
}

#[test]
fn stalled_log_reader_blocks_nothing() {
    let gateway = Start::default()
        .args(&["--gateway.log.level", "debug"])
        .stalled()
        .spawn();
    for _ in 0..3000 {
        assert!(echoes(&mut connect(gateway.addr)));
    }
    gateway.signal(Signal::TERM);
    let status = gateway.wait().0;
    assert_eq!(status.code(), Some(0));
}
