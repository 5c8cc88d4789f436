//! Turns a request on the admin port, which no edge ever sees, into a change or an observation of the state.

use http::{Method, StatusCode};
use url::form_urlencoded;

use super::state::State;

/// What the admin port answers. `body` is the request's, as text.
pub(super) fn answer(state: &State, method: &Method, target: &http::Uri, body: &str) -> (StatusCode, String) {
    let path = target.path();
    let writes = method == Method::PUT || method == Method::POST;
    if path == "/content" && writes {
        state.change_content(body.trim());
        return (StatusCode::OK, format!("content {}\n", body.trim()));
    }
    if let Some(name) = path.strip_prefix("/release/").filter(|_| writes) {
        return (StatusCode::OK, format!("{}\n", state.release(name)));
    }
    if let Some(name) = path.strip_prefix("/waiting/") {
        return (StatusCode::OK, format!("{}\n", state.waiting(name)));
    }
    match path {
        "/count" => {
            let of = form_urlencoded::parse(target.query().unwrap_or_default().as_bytes())
                .find_map(|(name, value)| (name == "of").then_some(value));
            (StatusCode::OK, format!("{}\n", state.reads(of.as_deref())))
        }
        "/readyz" if state.is_stopping() => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned()),
        "/readyz" | "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "not here\n".to_owned()),
    }
}
