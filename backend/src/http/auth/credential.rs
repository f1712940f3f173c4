//! By what a request says who is calling: exactly one thing, decided in one place.

use std::sync::Arc;

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, HeaderName, header},
};

use crate::{http::connection::Peer, tls::ClientCertificate};

/// Browsers add it to all that they send, whoever made them.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a caller is known by.
pub enum Credential {
    /// The header `Authorization`.
    Authorization,
    /// A client certificate.
    Certificate(Arc<ClientCertificate>),
    /// The portal's cookie, or nothing.
    Session,
}

impl Credential {
    /// The one of this request.
    pub fn of(headers: &HeaderMap, extensions: &Extensions, https: bool) -> Self {
        if headers.contains_key(header::AUTHORIZATION) {
            return Self::Authorization;
        }
        // Certificates are for programs. A browser shows one to this server on behalf of any page.
        let by_browser = headers.contains_key(header::ORIGIN)
            || headers.contains_key(SEC_FETCH_SITE)
            || has_cookie(headers, session_cookie(https));
        let certificate = extensions
            .get::<ConnectInfo<Peer>>()
            .and_then(|ConnectInfo(peer)| peer.certificate.clone());
        match certificate {
            Some(certificate) if !by_browser => Self::Certificate(certificate),
            _ => Self::Session,
        }
    }
}

/// Name of the session's cookie.
pub const fn session_cookie(https: bool) -> &'static str {
    if https {
        "__Host-countersign"
    } else {
        "countersign"
    }
}

fn has_cookie(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| pair.split(|byte| *byte == b'=').next())
        .any(|name| name.trim_ascii() == wanted.as_bytes())
}
