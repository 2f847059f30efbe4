//! `/connections`: the open connections, for this machine only.

use std::net::TcpStream;

use serde_json::Value;

use crate::common::{connect, echoes, Gateway, Start};

fn list(gateway: &Gateway, query: &str) -> Value {
    let answer = gateway.get(&format!("/connections{query}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn echoing(gateway: &Gateway) -> TcpStream {
    let mut client = connect(gateway.addr);
    assert!(echoes(&mut client));
    client
}

#[test]
fn open_connections_are_listed_without_peers() {
    let gateway = Gateway::start(&[]);
    assert_eq!(list(&gateway, "")["connections"], serde_json::json!([]));
    let clients = [echoing(&gateway), echoing(&gateway)];
    let all = list(&gateway, "");
    assert_eq!(
        (&all["open"], &all["truncated"]),
        (&2.into(), &false.into())
    );
    let entries = all["connections"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert_eq!(entry["backend"], "tcp");
        assert_eq!(entry["direction"], "accepted");
        assert_eq!(
            (&entry["bytes_in"], &entry["bytes_out"]),
            (&12.into(), &12.into())
        );
        assert_eq!(entry["throttled"], false);
        let seconds = |name: &str| entry[name].as_f64().unwrap();
        assert!(seconds("age_seconds") >= seconds("idle_seconds"), "{entry}");
        assert_eq!(entry["local"], gateway.addr.to_string());
        assert_eq!((entry.get("peer"), entry.get("via")), (None, None));
    }
    let first = &entries[0]["id"];
    let rest = list(&gateway, &format!("?after={first}"));
    assert_eq!(rest["connections"].as_array().unwrap().len(), 1);
    assert_eq!(rest["connections"][0]["id"], entries[1]["id"]);
    assert_eq!(gateway.get("/connections?before=1").status, 400);
    drop(clients);
}

#[test]
fn both_legs_of_a_relay_are_listed() {
    let upstream = Gateway::start(&[]);
    let gateway = Gateway::start(&["--forward", &format!("tcp://{}", upstream.addr)]);
    let _client = echoing(&gateway);
    let all = list(&gateway, "");
    let directions = all["connections"].as_array().unwrap().iter();
    let mut directions: Vec<_> = directions.map(|entry| entry["direction"].clone()).collect();
    directions.sort_by_key(Value::to_string);
    assert_eq!(directions, ["accepted", "dialed"]);
}

#[test]
fn peers_are_shown_with_show_peers() {
    let gateway = Gateway::start(&["--gateway.admin.show-peers", "on"]);
    let client = echoing(&gateway);
    let peer = client.local_addr().unwrap().to_string();
    assert_eq!(list(&gateway, "")["connections"][0]["peer"], peer);
}

#[test]
fn other_machines_get_no_connections() {
    let gateway = Start::default().admin("0.0.0.0:0").spawn();
    let refused = gateway.get("/connections");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("loopback"), "{}", refused.body);
    assert_eq!(gateway.get("/metrics").status, 200);
}

#[test]
fn tcp_cannot_cancel() {
    let gateway = Gateway::start(&[]);
    let mut client = echoing(&gateway);
    let id = list(&gateway, "")["connections"][0]["id"].clone();
    let path = format!("/connections/{id}/cancel");
    assert_eq!(
        gateway
            .request("POST", &path, "content-length: 0\r\n")
            .status,
        403
    );
    let get = gateway.get(&path);
    assert_eq!(get.status, 405);
    assert!(get.head.contains("\r\nallow: post\r\n"), "{}", get.head);
    assert!(echoes(&mut client));
}
