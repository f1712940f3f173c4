//! Client of the server's REST interface. Requests and answers are JSON; an error is a [`Problem`].

use countersign_protocol::problem::Problem;
use gloo_net::http::{Method, RequestBuilder};
use serde::{Serialize, de::DeserializeOwned};

use crate::work::problem;

const BASE: &str = "/api/v1";

/// Result of a request.
pub type Answer<T> = Result<T, Problem>;

pub async fn get<T: DeserializeOwned>(path: &str) -> Answer<T> {
    parse(&fetch(Method::GET, path, None).await?)
}

pub async fn post<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Answer<T> {
    let body = serde_json::to_string(body).map_err(|error| unreadable(&error))?;
    parse(&fetch(Method::POST, path, Some(body)).await?)
}

/// `PUT`. The server answers without a body.
pub async fn put(path: &str, body: &impl Serialize) -> Answer<()> {
    let body = serde_json::to_string(body).map_err(|error| unreadable(&error))?;
    fetch(Method::PUT, path, Some(body)).await.map(drop)
}

/// `POST` without a body.
pub async fn act<T: DeserializeOwned>(path: &str) -> Answer<T> {
    parse(&fetch(Method::POST, path, None).await?)
}

pub async fn delete(path: &str) -> Answer<()> {
    fetch(Method::DELETE, path, None).await.map(drop)
}

/// Escapes an identifier, so that it is one segment of a path.
pub fn part(id: impl AsRef<str>) -> String {
    web_sys::js_sys::encode_uri_component(id.as_ref()).into()
}

// Not generic, so that the program contains it only once.
async fn fetch(method: Method, path: &str, body: Option<String>) -> Answer<String> {
    let changes = method != Method::GET;
    let builder = RequestBuilder::new(&format!("{BASE}{path}")).method(method);
    let request = match body {
        Some(body) => builder
            .header("content-type", "application/json")
            .body(body),
        None => builder.build(),
    };
    let response = match request {
        Ok(request) => request.send().await.map_err(|_| unreachable(changes))?,
        Err(_) => return Err(unreachable(changes)),
    };
    let text = response.text().await.map_err(|_| unreachable(changes))?;
    if response.ok() {
        return Ok(text);
    }
    Err(serde_json::from_str(&text).unwrap_or_else(|_| {
        problem(
            "The server answered with an error",
            format!(
                "The answer may come from a proxy, not from Countersign (HTTP {}).",
                response.status()
            ),
        )
    }))
}

fn parse<T: DeserializeOwned>(text: &str) -> Answer<T> {
    // An answer with status 204 has no body.
    let text = if text.is_empty() { "null" } else { text };
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

/// The answer was lost, so the server may have received the request all the same.
fn unreachable(changes: bool) -> Problem {
    let detail = if changes {
        "Your change may or may not have been saved. Check your network, then reload the page."
    } else {
        "Check your network, then reload the page."
    };
    problem("The server can't be reached", detail)
}

fn unreadable(error: &serde_json::Error) -> Problem {
    problem(
        "Page and server have different versions",
        format!("This page can't read the server's answer ({error}). Reload the page."),
    )
}
