//! The routes of the admin endpoint.

use bytes::Bytes;
use ron_transport::schema::parse_count;

use super::head::RequestHead;
use super::response::{Response, StatusCode, JSON};
use super::state::AdminState;
use super::{connections, page};
use crate::logging::TARGET;

const HTML: &str = "text/html; charset=utf-8";
/// Prometheus' text format, in UTF-8.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Header with Tor's bootstrap progress, 0 to 1.
///
/// The body of `/readyz` is fixed.
const PROGRESS: &str = "arti-bootstrap-progress";

/// Returns the response to a request.
///
/// HEAD is handled as GET; the caller removes the body.
pub(super) async fn to(head: &RequestHead, state: &AdminState) -> Response {
    if !state.hosts.allow(&head.hosts) {
        let text = "unknown Host: use an IP address or localhost, or add the name to \
                    gateway.admin_hosts\n";
        return Response::text(StatusCode::MISDIRECTED, text);
    }
    if head.has_body {
        return Response::text(StatusCode::BAD_REQUEST, "a request body is not allowed\n");
    }
    match (head.method.as_str(), connections::to_cancel(&head.path)) {
        ("POST", Some(id)) => cancel(id, state),
        (_, Some(_)) => not_allowed("POST"),
        ("GET" | "HEAD", None) => get(&head.path, &head.query, state).await,
        (_, None) => not_allowed("GET, HEAD"),
    }
}

fn not_allowed(allowed: &'static str) -> Response {
    let text = format!("method not allowed; use {allowed}\n");
    Response::text(StatusCode::NOT_ALLOWED, text).with("allow", allowed)
}

async fn get(path: &str, query: &str, state: &AdminState) -> Response {
    let json = |body| Response::json(StatusCode::OK, body);
    match path {
        "/" => Response::new(StatusCode::OK, HTML, page::HTML)
            .with("content-security-policy", page::POLICY)
            .with("referrer-policy", "no-referrer"),
        "/metrics" => {
            let render = || state.exposition().into();
            queued(METRICS, state.metrics_queue.get("", render).await)
        }
        "/healthz" => Response::text(StatusCode::OK, "ok\n"),
        "/readyz" => ready(state),
        "/status" => json(line(&state.status_json())),
        "/status/metrics.json" => {
            let render = || line(&state.source.metrics_json(&state.exposition()));
            queued(JSON, state.figures_queue.get("", render).await)
        }
        "/status/history.json" => {
            let render = || line(&state.history_json());
            queued(JSON, state.history_queue.get("", render).await)
        }
        "/status/config.json" => json(line(&state.source.config_json())),
        "/connections" => list(query, state).await,
        _ => {
            let known = "not found; available are /, /metrics, /healthz, /readyz, /status, \
                         /status/metrics.json, /status/history.json, /status/config.json, \
                         /connections\n";
            Response::text(StatusCode::NOT_FOUND, known)
        }
    }
}

fn line(json: &serde_json::Value) -> Bytes {
    format!("{json}\n").into()
}

/// Responds with a rendered body, or refuses with 503.
fn queued(content_type: &'static str, body: Option<Bytes>) -> Response {
    match body {
        Some(body) => Response::new(StatusCode::OK, content_type, body),
        None => {
            let text = "too many requests wait for this resource; retry in 1 s\n";
            Response::text(StatusCode::UNAVAILABLE, text).with("retry-after", "1")
        }
    }
}

fn ready(state: &AdminState) -> Response {
    let (now, ready) = state.readiness();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::UNAVAILABLE
    };
    let answer = Response::json(status, format!("{}\n", AdminState::readiness_json(now)));
    match state.source.listeners.tor_progress() {
        Some(progress) => answer.with(PROGRESS, format!("{progress:.2}")),
        None => answer,
    }
}

async fn list(query: &str, state: &AdminState) -> Response {
    if !state.addr.is_local() {
        let text = "open connections are available on loopback and Unix sockets only\n";
        return Response::text(StatusCode::FORBIDDEN, text);
    }
    let Some(after) = connections::after(query) else {
        let text = "invalid query; use after=ID with the `next` of the previous page\n";
        return Response::text(StatusCode::BAD_REQUEST, text);
    };
    let make = || line(&state.source.connections_json(after, state.show_peers));
    queued(JSON, state.conns_queue.get(query, make).await)
}

/// Cancels a connection, over the Unix socket only.
///
/// The kernel reports that this user or root asks, and no page in a browser can reach the socket.
fn cancel(id: &str, state: &AdminState) -> Response {
    if !state.addr.is_unix() {
        let text = "cancelling a connection requires a Unix socket: set gateway.admin_addr to \
                    unix:/path\n";
        return Response::text(StatusCode::FORBIDDEN, text);
    }
    let cancelled = parse_count(id).ok().filter(|id| state.source.cancel(*id));
    let Some(id) = cancelled else {
        return Response::text(
            StatusCode::NOT_FOUND,
            "no open connection has this number\n",
        );
    };
    tracing::info!(target: TARGET, event = "cancel", conn_id = id, "requested over the admin socket");
    Response::json(StatusCode::OK, format!("{{\"cancelled\":{id}}}\n"))
}
