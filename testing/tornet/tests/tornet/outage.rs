//! A network that is cut off, hangs, or loses a node.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use ron_tornet::{skip, Node, TorNet};

use crate::processes;

#[test]
fn outages_end_with_the_same_identities() {
    if skip("outages_end_with_the_same_identities") {
        return;
    }
    let net = TorNet::start().unwrap();
    let config = net.client_config();
    let identities = Node::ALL.map(|node| taken_identity(&net, node));

    net.cut_off().unwrap();
    assert_eq!(processes::tors_of(net.dir()).len(), 0);
    for node in Node::ALL {
        refuses(net.or_addr(node));
        net.dir_addr(node).into_iter().for_each(refuses);
    }
    net.cut_off().unwrap();
    net.restore().unwrap();
    assert_eq!(net.client_config(), config);
    assert_eq!(processes::tors_of(net.dir()).len(), 5);
    for (node, before) in Node::ALL.into_iter().zip(identities) {
        TcpStream::connect(net.or_addr(node)).unwrap();
        // The process writes them again from its keys.
        assert_eq!(taken_identity(&net, node), before, "{node}");
    }

    net.freeze().unwrap();
    let error = net.consensus(Node::Auth2).unwrap_err().to_string();
    // Connected and sent, but no answer.
    assert!(error.contains("auth2 at 127.0.0.1:"), "{error}");
    for node in Node::ALL {
        TcpStream::connect(net.or_addr(node)).unwrap();
    }
    net.thaw().unwrap();
    let consensus = || net.consensus(Node::Auth2).ok().flatten();
    processes::wait_until("the authority answers again", || consensus().is_some());

    net.stop_node(Node::Exit).unwrap();
    refuses(net.or_addr(Node::Exit));
    TcpStream::connect(net.or_addr(Node::Middle)).unwrap();
    // All nodes end, the ended and the frozen ones too, and all start again.
    net.freeze().unwrap();
    net.cut_off().unwrap();
    net.restart_node(Node::Exit).unwrap();
    assert_eq!(processes::tors_of(net.dir()).len(), 1);
    net.restart_node(Node::Auth1).unwrap();
    assert!(net.consensus(Node::Auth1).unwrap().is_some());
    net.restore().unwrap();
    assert_eq!(processes::tors_of(net.dir()).len(), 5);
}

fn refuses(addr: SocketAddr) {
    let error = TcpStream::connect(addr).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

/// Takes the fingerprint files that a node writes, once they exist.
fn taken_identity(net: &TorNet, node: Node) -> [String; 2] {
    ["fingerprint", "fingerprint-ed25519"].map(|name| {
        let path: PathBuf = net.dir().join(node.nickname()).join(name);
        processes::wait_until("the node has its keys", || path.exists());
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(path).unwrap();
        text
    })
}
