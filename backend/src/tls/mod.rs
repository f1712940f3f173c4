//! TLS at the server's own door, and who stands between it and clients.

mod certificate;
mod client_certificate;
mod config;
mod listener;
mod proxies;
mod reload;
mod verifier;

pub use certificate::TlsError;
pub use client_certificate::{ClientCertificate, Unusable};
pub use config::{Files, TlsConfig};
pub use listener::{Pace, Stream, TlsListener};
pub use proxies::TrustedProxies;
pub use reload::{Reload, reload_when_changed};
