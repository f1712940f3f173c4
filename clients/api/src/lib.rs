//! Blocking client of the Countersign API, for the command line and the PKCS#11 module.
//!
//! The client starts no threads, prints nothing and never ends the process. Every error says what to do next.
//!
//! ```no_run
//! # fn main() -> Result<(), countersign_client::ClientError> {
//! use countersign_client::{Client, Overrides, Settings};
//!
//! let client = Client::from_settings(Settings::load(&Overrides::default())?)?;
//! for key in client.keys()? {
//!     // ...
//! }
//! # Ok(()) }
//! ```

mod activation_settings;
mod activations;
mod acts;
mod audit;
mod client;
mod client_certificate;
mod config;
mod error;
pub mod failure;
mod hsms;
mod path;
mod people;
pub mod pkcs11;
pub mod proxy;
pub mod recording;
mod retry;
pub mod roots;
mod session;
mod signatures;
pub mod silence;
mod token;
mod token_command;
mod token_file;
mod tokens;
mod url;
pub mod words;

pub use activation_settings::{
    ACTIVATION_ENV, APPROVAL_SECONDS_ENV, ActivationSettings, KEYS_ENV, LEASE_SECONDS_ENV,
    PATIENCE_SECONDS_ENV, REASON_ENV, SIGN_SECONDS_ENV, SIGNATURES_ENV, WAIT_IN_ENV, WaitIn,
};
pub use activations::{ActivationFilter, LONGEST_WAIT, Requested, abandoned_after};
pub use client::{Client, Options, Timeouts};
pub use client_certificate::CertificateFiles;
pub use config::{
    CA_FILE_ENV, CLIENT_CERTIFICATE_FILE_ENV, CLIENT_KEY_FILE_ENV, CONFIG_ENV, Overrides,
    PLAIN_HTTP_ENV, SERVER_ENV, Settings, TOKEN_COMMAND_ENV, TOKEN_ENV, TOKEN_FILE_ENV,
};
pub use error::{ClientError, ConfigError};
pub use retry::Retry;
pub use signatures::IdempotencyKey;
pub use token::Token;
pub use url::ServerUrl;

pub use countersign_protocol as protocol;
