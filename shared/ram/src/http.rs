//! The HTTP headers of the protocol.

/// The media type of the messages that the client posts.
pub const CLIENT_CONTENT_TYPE: &str = "application/org.openscdp-content-mgt-response;version=1.0";
/// The media type of the server's responses.
pub const SERVER_CONTENT_TYPE: &str = "application/org.openscdp-content-mgt-request;version=1.0";
/// The header that names the protocol.
pub const PROTOCOL_HEADER: &str = "X-Admin-Protocol";
/// The value of [`PROTOCOL_HEADER`].
pub const PROTOCOL: &str = "openscdp-remote-admin/1.0";
