//! The cookie that carries the secret of a session.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

use crate::{
    http::problem::ApiError,
    people::{NewSecret, SessionSecret},
};

/// Name of the session cookie. Browsers accept the prefix `__Host-` only from a server with TLS, for this host and every path, so no
/// other host of the domain can set the cookie.
pub const fn session_cookie(https: bool) -> &'static str {
    if https {
        "__Host-countersign"
    } else {
        "countersign"
    }
}

/// The secret in the cookie of a request; `None` also if it has several such cookies, because one of them is not the server's.
pub fn secret(headers: &HeaderMap, https: bool) -> Option<SessionSecret> {
    let mut values = cookies(headers, session_cookie(https));
    let value = values.next()?;
    values
        .next()
        .is_none()
        .then(|| SessionSecret::presented(value))
}

/// Whether a request carries the session cookie.
pub fn is_present(headers: &HeaderMap, https: bool) -> bool {
    cookies(headers, session_cookie(https)).next().is_some()
}

fn cookies<'a>(headers: &'a HeaderMap, wanted: &str) -> impl Iterator<Item = String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .flatten()
        .filter(move |cookie| cookie.name() == wanted)
        .map(|cookie| cookie.value().to_owned())
}

/// The header `Set-Cookie` that gives the browser a new secret.
///
/// # Errors
/// The secret has characters that a header cannot hold.
pub fn set(new: &NewSecret, https: bool) -> Result<HeaderValue, ApiError> {
    value(new.secret.expose(), new.lasts, https)
}

/// The header `Set-Cookie` that deletes the cookie.
///
/// # Errors
/// As [`set`].
pub fn delete(https: bool) -> Result<HeaderValue, ApiError> {
    value("", Duration::ZERO, https)
}

fn value(secret: &str, lasts: Duration, https: bool) -> Result<HeaderValue, ApiError> {
    let lasts = cookie::time::Duration::try_from(lasts).map_err(ApiError::internal)?;
    let cookie = Cookie::build((session_cookie(https), secret))
        .path("/")
        .max_age(lasts)
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Strict)
        .build();
    let mut value = HeaderValue::from_str(&cookie.to_string()).map_err(ApiError::internal)?;
    // Logs of headers leave the value out.
    value.set_sensitive(true);
    Ok(value)
}
