//! The open connections as JSON, in pages.

use ron_transport::ConnSnapshot;
use serde_json::{json, Value};

use crate::service::Listeners;

/// Connections per page.
const PAGE: usize = 1000;

/// Parses the query, empty or `after=7`: the page starts after this number.
pub(super) fn after(query: &str) -> Option<u64> {
    match query {
        "" => Some(0),
        query => query.strip_prefix("after=")?.parse().ok(),
    }
}

/// Returns the connection number of `/connections/7/cancel`.
pub(super) fn to_cancel(path: &str) -> Option<&str> {
    path.strip_prefix("/connections/")?.strip_suffix("/cancel")
}

/// Returns one page of connections.
///
/// `{"open":2,"connections":[…],"truncated":false,"next":null}`: `next` is the `after` of the next
/// page.
pub(super) fn json(listeners: &Listeners, after: u64, show_peers: bool) -> Value {
    // A further connection means a further page.
    let mut found = listeners.connections_after(after, PAGE + 1);
    let truncated = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| truncated).map(|last| last.id);
    let connections: Vec<Value> = found.iter().map(|conn| entry(conn, show_peers)).collect();
    json!({
        "open": listeners.open(),
        "connections": connections,
        "truncated": truncated,
        "next": next,
    })
}

fn entry(conn: &ConnSnapshot, show_peers: bool) -> Value {
    let mut entry = json!({
        "id": conn.id,
        "backend": conn.backend.as_str(),
        "direction": if conn.accepted { "accepted" } else { "dialed" },
        "age_seconds": conn.age.as_secs_f64(),
        "idle_seconds": conn.idle.as_secs_f64(),
        "bytes_in": conn.bytes_in,
        "bytes_out": conn.bytes_out,
        "throttled": conn.throttled,
        "local": conn.local.map(|addr| addr.to_string()),
    });
    if show_peers {
        // The balancer that announced the peer.
        entry["via"] = conn.via.and_then(|via| via.loggable()).into();
        // A peer behind Tor has no address.
        entry["peer"] = conn.peer.and_then(|peer| peer.loggable()).into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_starts_after_a_number() {
        assert_eq!((after(""), after("after=7")), (Some(0), Some(7)));
        for query in ["after=", "after=-1", "after=x", "before=7", "after=7&a=b"] {
            assert_eq!(after(query), None, "{query}");
        }
    }

    #[test]
    fn cancel_path_has_connection_number() {
        assert_eq!(to_cancel("/connections/7/cancel"), Some("7"));
        for path in ["/connections", "/connections/7", "/connections/7/cancel/"] {
            assert_eq!(to_cancel(path), None, "{path}");
        }
    }
}
