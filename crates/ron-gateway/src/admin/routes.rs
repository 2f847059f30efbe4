//! Requests and their answers.

use bytes::Bytes;
use ron_transport::core::schema::parse_count;

use super::head::Head;
use super::response::{Answer, Status};
use super::state::State;
use super::{connections, page};
use crate::logging::TARGET;

const HTML: &str = "text/html; charset=utf-8";
/// Prometheus' text format, which is UTF-8.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How far Tor's bootstrap is, 0 to 1: beside the answer of `/readyz`, whose form is fixed.
const PROGRESS: &str = "arti-bootstrap-progress";

/// Returns the answer to a request. One to HEAD is that to GET, whose body is then left out.
pub(super) async fn to(head: &Head, state: &State) -> Answer {
    if !state.hosts.allow(&head.hosts) {
        let text = "this Host is not served: ask by IP address or localhost, or list the name in \
                    gateway.admin_hosts\n";
        return Answer::text(Status::MISDIRECTED, text);
    }
    if head.has_body {
        return Answer::text(Status::BAD_REQUEST, "no request body is taken\n");
    }
    match (head.method.as_str(), connections::to_cancel(&head.path)) {
        ("POST", Some(id)) => cancel(id, state),
        (_, Some(_)) => not_allowed("POST"),
        ("GET" | "HEAD", None) => get(&head.path, &head.query, state).await,
        (_, None) => not_allowed("GET, HEAD"),
    }
}

fn not_allowed(allowed: &'static str) -> Answer {
    let text = format!("only {allowed} here\n");
    Answer::text(Status::NOT_ALLOWED, text).with("allow", allowed)
}

async fn get(path: &str, query: &str, state: &State) -> Answer {
    let json = |body| Answer::json(Status::OK, body);
    match path {
        "/" => Answer::new(Status::OK, HTML, page::HTML)
            .with("content-security-policy", page::POLICY)
            .with("referrer-policy", "no-referrer"),
        "/metrics" => {
            let text = state.metrics.get("", || state.exposition().into()).await;
            Answer::new(Status::OK, METRICS, text)
        }
        "/healthz" => Answer::text(Status::OK, "ok\n"),
        "/readyz" => ready(state),
        "/status" => json(line(&state.status_json())),
        "/status/metrics.json" => json(
            state
                .figures
                .get("", || line(&state.live.metrics_json(&state.exposition())))
                .await,
        ),
        "/status/history.json" => json(state.past.get("", || line(&state.history_json())).await),
        "/status/config.json" => json(line(&state.live.config_json())),
        "/connections" => list(query, state).await,
        _ => {
            let known = "not found; known are /, /metrics, /healthz, /readyz, /status, \
                         /status/metrics.json, /status/history.json, /status/config.json, \
                         /connections\n";
            Answer::text(Status::NOT_FOUND, known)
        }
    }
}

fn line(json: &serde_json::Value) -> Bytes {
    format!("{json}\n").into()
}

fn ready(state: &State) -> Answer {
    let (now, ready) = state.readiness();
    let status = if ready {
        Status::OK
    } else {
        Status::UNAVAILABLE
    };
    let answer = Answer::json(status, format!("{}\n", State::readiness_json(now)));
    match (state.tor_progress)() {
        Some(progress) => answer.with(PROGRESS, format!("{progress:.2}")),
        None => answer,
    }
}

async fn list(query: &str, state: &State) -> Answer {
    if !state.addr.is_local() {
        let text = "open connections are shown on loopback and Unix sockets only\n";
        return Answer::text(Status::FORBIDDEN, text);
    }
    let Some(after) = connections::after(query) else {
        let text = "the query is after=ID, with the next of the page before\n";
        return Answer::text(Status::BAD_REQUEST, text);
    };
    let make = || line(&state.live.connections_json(after, state.show_peers));
    Answer::json(Status::OK, state.conns.get(query, make).await)
}

/// Over the Unix socket alone, whose kernel says that this user or root asks: no page in a browser
/// can reach it.
fn cancel(id: &str, state: &State) -> Answer {
    if !state.addr.is_unix() {
        let text = "connections are cancelled over a Unix socket only: set gateway.admin_addr to \
                    unix: and a path\n";
        return Answer::text(Status::FORBIDDEN, text);
    }
    let cancelled = parse_count(id).ok().filter(|id| state.live.cancel(*id));
    let Some(id) = cancelled else {
        return Answer::text(Status::NOT_FOUND, "no open connection has this number\n");
    };
    tracing::info!(target: TARGET, event = "cancel", conn_id = id, "asked for over the admin socket");
    Answer::json(Status::OK, format!("{{\"cancelled\":{id}}}\n"))
}
