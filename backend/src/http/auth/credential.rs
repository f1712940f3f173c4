//! Selects the one credential by which the caller of a request is identified.

use std::sync::Arc;

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, HeaderName, header},
};

use super::cookie;
use crate::{http::connection::Peer, tls::ClientCertificate};

/// Browsers add this header to every request that they send.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The credential of a request.
pub enum Credential {
    /// The header `Authorization`.
    Authorization,
    Certificate(Arc<ClientCertificate>),
    /// The portal's session cookie, or no credential at all.
    Session,
}

impl Credential {
    /// Selects the credential of this request. `Authorization` takes precedence over a client certificate.
    pub fn of(headers: &HeaderMap, extensions: &Extensions, https: bool) -> Self {
        if headers.contains_key(header::AUTHORIZATION) {
            return Self::Authorization;
        }
        // Certificates identify programs only, because a browser presents them on behalf of any page.
        let by_browser = headers.contains_key(header::ORIGIN)
            || headers.contains_key(SEC_FETCH_SITE)
            || cookie::is_present(headers, https);
        let certificate = extensions
            .get::<ConnectInfo<Peer>>()
            .and_then(|ConnectInfo(peer)| peer.certificate.clone());
        match certificate {
            Some(certificate) if !by_browser => Self::Certificate(certificate),
            _ => Self::Session,
        }
    }
}
