//! What is fixed about the HTTP around the messages.

/// Media type of what the client posts.
pub const CLIENT_CONTENT_TYPE: &str = "application/org.openscdp-content-mgt-response;version=1.0";
/// Media type of what the server answers.
pub const SERVER_CONTENT_TYPE: &str = "application/org.openscdp-content-mgt-request;version=1.0";
/// Header that names the protocol.
pub const PROTOCOL_HEADER: &str = "X-Admin-Protocol";
/// Its value.
pub const PROTOCOL: &str = "openscdp-remote-admin/1.0";
