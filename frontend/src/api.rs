//! The server's REST interface: JSON in, JSON or a problem out.

use countersign_protocol::problem::Problem;
use gloo_net::http::{Method, RequestBuilder};
use serde::{Serialize, de::DeserializeOwned};

use crate::work::problem;

const BASE: &str = "/api/v1";

/// What a request gives.
pub type Answer<T> = Result<T, Problem>;

/// `GET`.
pub async fn get<T: DeserializeOwned>(path: &str) -> Answer<T> {
    parse(&fetch(Method::GET, path, None).await?)
}

/// `POST` with a body.
pub async fn post<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Answer<T> {
    let body = serde_json::to_string(body).map_err(|error| unreadable(&error))?;
    parse(&fetch(Method::POST, path, Some(body)).await?)
}

/// `PUT`, which is answered without a body.
pub async fn put(path: &str, body: &impl Serialize) -> Answer<()> {
    let body = serde_json::to_string(body).map_err(|error| unreadable(&error))?;
    fetch(Method::PUT, path, Some(body)).await.map(drop)
}

/// `POST` without a body.
pub async fn act<T: DeserializeOwned>(path: &str) -> Answer<T> {
    parse(&fetch(Method::POST, path, None).await?)
}

/// `DELETE`.
pub async fn delete(path: &str) -> Answer<()> {
    fetch(Method::DELETE, path, None).await.map(drop)
}

/// An identifier as one part of a path.
pub fn part(id: impl AsRef<str>) -> String {
    web_sys::js_sys::encode_uri_component(id.as_ref()).into()
}

// Not generic, so that the program contains it once.
async fn fetch(method: Method, path: &str, body: Option<String>) -> Answer<String> {
    let builder = RequestBuilder::new(&format!("{BASE}{path}")).method(method);
    let request = match body {
        Some(body) => builder
            .header("content-type", "application/json")
            .body(body),
        None => builder.build(),
    };
    let response = match request {
        Ok(request) => request.send().await.map_err(|_| unreachable())?,
        Err(_) => return Err(unreachable()),
    };
    let text = response.text().await.map_err(|_| unreachable())?;
    if response.ok() {
        return Ok(text);
    }
    Err(serde_json::from_str(&text).unwrap_or_else(|_| {
        problem(
            "The server answered with an error",
            format!(
                "Status {}: {}. Something between this page and the server may have answered in its place.",
                response.status(),
                response.status_text()
            ),
        )
    }))
}

fn parse<T: DeserializeOwned>(text: &str) -> Answer<T> {
    // 204 carries nothing.
    let text = if text.is_empty() { "null" } else { text };
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

fn unreachable() -> Problem {
    problem(
        "The server can't be reached",
        "Nothing was changed, as far as this page knows. Check the network, then try again.",
    )
}

fn unreadable(error: &serde_json::Error) -> Problem {
    problem(
        "This page and the server differ",
        format!("The server's answer isn't understood ({error}). Reload the page."),
    )
}
