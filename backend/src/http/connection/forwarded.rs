//! Takes the client's address and certificate from the headers of trusted proxies, and ignores the headers of other peers.

use std::sync::Arc;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName},
    middleware::Next,
    response::Response,
};

use super::{peer::Peer, trusted_proxies};
use crate::{config::Config, tls::ClientCertificate};

/// Header of RFC 9440 with the client's certificate.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// Replaces the peer of a request from a trusted proxy by the proxy's client.
pub async fn replace_proxy_by_client(
    State(config): State<Arc<Config>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>()
        && config.trusted_proxies.trusts(peer.address.ip())
    {
        let headers = request.headers();
        let client = trusted_proxies::client(&config.trusted_proxies, peer.address.ip(), headers);
        // The proxy's own certificate does not identify its client.
        let client = peer.behind(client, certificate(&config, headers));
        request.extensions_mut().insert(ConnectInfo(client));
    }
    request.headers_mut().remove(CLIENT_CERT);
    request.headers_mut().remove(CLIENT_CERT_CHAIN);
    next.run(request).await
}

fn certificate(config: &Config, headers: &HeaderMap) -> Option<ClientCertificate> {
    if !config.tls.client_certificates {
        return None;
    }
    let mut values = headers.get_all(CLIENT_CERT).iter();
    // Caddy sends the colons even without a certificate.
    let value = values.next().filter(|value| {
        let value = value.as_bytes().trim_ascii();
        !value.is_empty() && value != b"::"
    })?;
    if values.next().is_some() {
        // One of them is the client's own header, which the proxy failed to remove.
        tracing::warn!("a proxy sent two Client-Cert headers, so both are ignored");
        return None;
    }
    ClientCertificate::from_header(value)
        .inspect_err(|why| tracing::warn!(%why, "a proxy's Client-Cert header was rejected"))
        .ok()
}
