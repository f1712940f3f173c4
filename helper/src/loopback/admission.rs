//! Checks the form of a request before the user is asked about its page.

use axum::http::{HeaderMap, Method, Version, header, request::Parts};
use countersign_protocol::{about::HELPER_PATH, loopback::is_loopback_origin};

use crate::origin::{Origin, split_port};

/// The origin of a request that has the only acceptable form. Returns `None` if the request must be rejected.
pub(super) fn check(parts: &Parts, port: u16) -> Option<Origin> {
    let path = parts.uri.path_and_query()?.as_str();
    let form = parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && parts.uri.authority().is_none()
        && path == HELPER_PATH;
    if !form {
        return None;
    }
    // A DNS rebinding attack uses another name that resolves to this machine.
    let host =
        single_header(&parts.headers, header::HOST).filter(|host| names_this_machine(host, port));
    if host.is_none() {
        tracing::warn!("rejected a request: its Host header does not name this machine and port");
        return None;
    }
    let origin = single_header(&parts.headers, header::ORIGIN).and_then(|text| {
        Origin::parse(text)
            .inspect_err(|error| tracing::warn!(origin = ?text, "rejected a request: {error}"))
            .ok()
    });
    if origin.is_none() {
        tracing::warn!("rejected a request: no acceptable Origin header");
    }
    origin
}

/// Whether a Host header names this machine and port.
pub(crate) fn names_this_machine(host: &str, port: u16) -> bool {
    match split_port(host) {
        Ok((name, Some(text))) => is_loopback_origin(name) && text == port.to_string(),
        Ok((name, None)) => is_loopback_origin(name) && port == 80,
        Err(_) => false,
    }
}

/// The value of a header that is present exactly once.
pub(crate) fn single_header(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(uri: &str, headers: &[(&str, &str)]) -> Option<Origin> {
        let mut request = axum::http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0, 27183)
    }

    const ORIGIN: (&str, &str) = ("origin", "https://a.example");

    #[test]
    fn loopback_names_with_the_helpers_port_are_accepted() {
        for host in ["127.0.0.1:27183", "[::1]:27183", "localhost:27183"] {
            assert!(
                checked("/v1", &[("host", host), ORIGIN]).is_some(),
                "{host}"
            );
        }
    }

    #[test]
    fn other_hosts_are_rejected() {
        for host in [
            "",
            "127.0.0.1",
            "127.0.0.1:27184",
            "127.0.0.1:027183",
            "evil.example:27183",
            "127.0.0.1.nip.example:27183",
            "127.0.0.2:27183",
            "localhost.:27183",
            "LOCALHOST:27183",
            "[::1]27183",
            "0.0.0.0:27183",
            "2130706433:27183",
            "user@127.0.0.1:27183",
            "127.0.0.1:27183,evil.example",
        ] {
            assert!(
                checked("/v1", &[("host", host), ORIGIN]).is_none(),
                "{host:?}"
            );
        }
        assert!(checked("/v1", &[ORIGIN]).is_none());
        let host = ("host", "127.0.0.1:27183");
        assert!(checked("/v1", &[host, host, ORIGIN]).is_none());
    }

    #[test]
    fn only_get_in_http_1_1_is_accepted() {
        let accepted = |method: Method, version: Version| {
            let request = axum::http::Request::builder()
                .method(method)
                .version(version)
                .uri("/v1")
                .header("host", "127.0.0.1:27183")
                .header(ORIGIN.0, ORIGIN.1);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            check(&parts, 27183).is_some()
        };
        assert!(accepted(Method::GET, Version::HTTP_11));
        for method in [Method::POST, Method::CONNECT, Method::OPTIONS] {
            assert!(!accepted(method.clone(), Version::HTTP_11), "{method}");
        }
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert!(!accepted(Method::GET, version), "{version:?}");
        }
    }

    #[test]
    fn exactly_one_origin_is_required() {
        let host = ("host", "127.0.0.1:27183");
        assert!(checked("/v1", &[host]).is_none());
        assert!(checked("/v1", &[host, ORIGIN, ORIGIN]).is_none());
        assert!(checked("/v1", &[host, ("origin", "null")]).is_none());
    }

    #[test]
    fn only_one_path_without_query_is_accepted() {
        let host = ("host", "127.0.0.1:27183");
        for uri in [
            "/",
            "/v1/",
            "/v1?x=1",
            "/v2",
            "/V1",
            "http://127.0.0.1:27183/v1",
        ] {
            assert!(checked(uri, &[host, ORIGIN]).is_none(), "{uri}");
        }
    }
}
