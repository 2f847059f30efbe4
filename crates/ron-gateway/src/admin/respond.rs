//! Requests and their answers.

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    HeaderValue, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::state::State;
use super::{metrics, page};

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// How far Tor's bootstrap is, 0 to 1: beside the answer of `/readyz`, whose form is fixed.
const PROGRESS: &str = "arti-bootstrap-progress";
/// Prometheus' text format, which is UTF-8.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer to a request. HTTP itself leaves out the body where the method is HEAD.
pub(super) fn to(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let mut response = match request.method() {
        &Method::GET | &Method::HEAD if !request.body().is_end_stream() => {
            let refusal = "no request body is taken\n";
            let mut response = answer(StatusCode::BAD_REQUEST, TEXT, refusal);
            // What follows is the body, not a request.
            set(&mut response, CONNECTION, "close");
            response
        }
        &Method::GET | &Method::HEAD => {
            let path = request.uri().path();
            let mut response = get(path, state);
            if path == "/" || path.starts_with("/status") {
                // A browser would keep its connections, and a few of them would hold up a scrape.
                set(&mut response, CONNECTION, "close");
            }
            response
        }
        _ => {
            let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET or HEAD only\n");
            set(&mut response, ALLOW, "GET, HEAD");
            set(&mut response, CONNECTION, "close");
            response
        }
    };
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

fn get(path: &str, state: &State) -> Response<Full<Bytes>> {
    match path {
        "/" => {
            let mut response = answer(StatusCode::OK, HTML, page::HTML);
            set(&mut response, CONTENT_SECURITY_POLICY, page::POLICY);
            set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
            set(&mut response, REFERRER_POLICY, "no-referrer");
            response
        }
        "/metrics" => answer(StatusCode::OK, METRICS, exposition(state)),
        "/healthz" => answer(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => {
            let (now, ready) = state.readiness();
            let status = if ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            let body = format!("{}\n", State::readiness_json(now));
            let mut response = answer(status, JSON, body);
            if let Some(progress) = (state.tor_progress)() {
                let text = format!("{progress:.2}");
                if let Ok(text) = HeaderValue::try_from(text) {
                    response.headers_mut().insert(PROGRESS, text);
                }
            }
            response
        }
        "/status" => answer(StatusCode::OK, JSON, format!("{}\n", state.status_json())),
        "/status/metrics.json" => {
            let metrics = state.live.metrics_json(&exposition(state));
            answer(StatusCode::OK, JSON, format!("{metrics}\n"))
        }
        "/status/config.json" => answer(
            StatusCode::OK,
            JSON,
            format!("{}\n", state.live.config_json()),
        ),
        _ => {
            let known = "not found; known are /, /metrics, /healthz, /readyz, /status, \
                         /status/metrics.json, /status/config.json\n";
            answer(StatusCode::NOT_FOUND, TEXT, known)
        }
    }
}

fn exposition(state: &State) -> String {
    state.prometheus.render() + &metrics::render(state.live.own())
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

fn set(response: &mut Response<Full<Bytes>>, name: hyper::header::HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}
