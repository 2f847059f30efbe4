//! Reloads that add, change, move and remove listeners.

use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{addr_of, reload, ConfigFile, TWO};
use crate::common::{connect, echoes, ended, round_trip, wait_for};

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
    // A key that needs another listener, which another address allows.
    let moved = format!("'{to}'\ntcp.backlog = 7");
    file.write(&TWO.replacen("'127.0.0.1:0'", &moved, 1));
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
