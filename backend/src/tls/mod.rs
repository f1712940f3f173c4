//! The server's own TLS, and the client certificates that identify programs.

mod certificate;
mod client_certificate;
mod handshakes;
mod reload;
mod verifier;

pub use certificate::TlsError;
pub use client_certificate::{CertificateError, ClientCertificate};
pub use handshakes::{Handshakes, Stream};
pub use reload::{Reload, reload_when_changed};
