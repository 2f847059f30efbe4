//! Lists of addresses, and reloads that change them.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{addr_of, reload, ConfigFile};
use crate::common::{connect, echoes, field, round_trip, wait_for, Gateway};

/// Returns the addresses of a listener on the status page.
fn addrs(gateway: &Gateway, index: usize) -> Vec<SocketAddr> {
    let status: serde_json::Value = serde_json::from_str(&gateway.get("/status").body).unwrap();
    let all = status["listeners"][index]["addresses"].as_array().unwrap();
    let addrs = all.iter().map(|addr| addr.as_str().unwrap().parse());
    addrs.collect::<Result<_, _>>().unwrap()
}

fn is_closed(addr: SocketAddr) {
    wait_for("a closed address", || {
        TcpStream::connect(addr).is_err().then_some(())
    });
}

#[test]
fn unnamed_listener_changes_its_addresses() {
    let text = |list: &str| format!("[transport]\nbind_addr = {list}\n");
    let file = ConfigFile::new(&text("'127.0.0.1:0'"));
    let gateway = file.start();
    let first = addrs(&gateway, 0)[0];
    let mut held = connect(first);
    assert!(echoes(&mut held));
    file.write(&text("['127.0.0.1:0', '127.0.0.2:0']"));
    reload(&gateway, "ok");
    let all = addrs(&gateway, 0);
    assert_eq!((all.len(), all[0]), (2, first));
    let line = gateway.line_with(&["event=listener", "addresses changed"]);
    assert_eq!(
        field(&line, "listen").unwrap(),
        format!("{first},{}", all[1])
    );
    let mut of_second = connect(all[1]);
    assert!(echoes(&mut of_second) && echoes(&mut held));
    // Each connection shows its local address.
    let conns = gateway.get("/connections").body;
    assert!(
        conns.contains(&format!("\"local\":\"{}\"", all[1])),
        "{conns}"
    );
    file.write(&text("['127.0.0.2:0']"));
    reload(&gateway, "ok");
    is_closed(first);
    assert!(echoes(&mut held) && echoes(&mut of_second) && echoes(&mut connect(all[1])));
    // A list that cannot be used changes nothing.
    file.write(&text("['127.0.0.2:0', '0.0.0.0:9', '127.0.0.9:9']"));
    reload(&gateway, "rejected");
    gateway.line_with(&["result=rejected", "0.0.0.0:9 covers 127.0.0.9:9"]);
    assert_eq!(addrs(&gateway, 0), [all[1]]);
}

const NAMED: &str = "\
[listeners.private]
bind_addr = '127.0.0.1:0'
[listeners.public]
bind_addr = LIST
";

/// One listener changes only if the other one does.
#[test]
fn addresses_change_for_all_listeners_or_none() {
    let text = |private: &str, public: &str| {
        NAMED
            .replace("LIST", public)
            .replacen("'127.0.0.1:0'", private, 1)
    };
    let file = ConfigFile::new(&text("'127.0.0.1:0'", "'127.0.0.1:0'"));
    let gateway = file.start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (taken.local_addr().unwrap(), taken);
    let (private, public) = (addrs(&gateway, 0), addrs(&gateway, 1));
    let more = "['127.0.0.1:0', '127.0.0.2:0']";
    file.write(&text(more, &format!("['127.0.0.1:0', '{}']", taken.0)));
    reload(&gateway, "rejected");
    gateway.line_with(&["result=rejected", "transport=public", &taken.0.to_string()]);
    assert_eq!(
        (addrs(&gateway, 0), addrs(&gateway, 1)),
        (private.clone(), public.clone())
    );
    // Nor with a listener that fails for another reason.
    file.write(&text(more, "'127.0.0.1:0'\ntcp.backlog = 7"));
    reload(&gateway, "rejected");
    assert_eq!(addrs(&gateway, 0), private);
    file.write(&text(more, more));
    reload(&gateway, "ok");
    assert_eq!((addrs(&gateway, 0).len(), addrs(&gateway, 1).len()), (2, 2));
    for addr in addrs(&gateway, 0).into_iter().chain(addrs(&gateway, 1)) {
        assert!(echoes(&mut connect(addr)));
    }
    assert_eq!(addr_of(&gateway, "public"), public[0]);
}

/// An address comes and goes while the other one is used.
#[test]
fn reloads_of_a_list_lose_no_connection() {
    let text = |list: &str| format!("[transport]\nbind_addr = {list}\n");
    let (one, two) = (
        text("'127.0.0.1:0'"),
        text("['127.0.0.1:0', '127.0.0.2:0']"),
    );
    let file = ConfigFile::new(&one);
    let gateway = file.start();
    let kept = addrs(&gateway, 0)[0];
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(round_trip(connect(kept), b"a request"), b"a request");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        for _ in 0..10 {
            for text in [&two, &one] {
                file.write(text);
                reload(&gateway, "ok");
            }
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
    });
    assert_eq!(addrs(&gateway, 0), [kept]);
}
