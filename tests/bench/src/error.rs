//! Errors of a load.

use std::path::PathBuf;

use cryptoki::error::Error as Pkcs11Error;

/// Why a load produced no figures.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not a PKCS#11 module, or the module does not initialise.
    #[error("cannot load the PKCS#11 module {path}: {why}")]
    Module { path: PathBuf, why: Pkcs11Error },
    /// No token or several tokens have the label.
    #[error("{} tokens have the label {wanted:?}; the module lists {found:?}", found.iter().filter(|label| *label == wanted).count())]
    TokenLabel {
        wanted: String,
        /// Labels of all tokens.
        found: Vec<String>,
    },
    /// The token needs a PIN, and none was given.
    #[error("the token has no protected authentication path: give its PIN with --pin")]
    PinNeeded,
    /// No key or several keys have the label.
    #[error("expected one {kind} key with the label {label:?}, found {found}")]
    KeyLabel {
        /// `private` or `public`.
        kind: &'static str,
        label: String,
        found: usize,
    },
    /// A function of the module failed.
    #[error("cannot {action}: {why}")]
    Refused {
        action: &'static str,
        why: Pkcs11Error,
    },
    /// The token's public key cannot be read.
    #[error("cannot use the token's public key: {0}")]
    PublicKey(String),
    /// The operating system's random generator failed.
    #[error("the operating system's random generator failed: {0}")]
    Random(getrandom::Error),
    /// The module returned a signature of the wrong length.
    #[error("the module returned a signature of {found} bytes instead of {wanted}")]
    Length { wanted: usize, found: usize },
    /// The module returned an invalid signature.
    #[error("the module returned an invalid signature")]
    WrongSignature,
    /// The measured time was too short.
    #[error("no signature was finished in the measured time: measure longer")]
    Nothing,
    /// A signing thread panicked.
    #[error("a signing thread panicked")]
    Thread,
}

impl LoadError {
    /// Converts an error of the module, for `map_err`.
    pub(crate) fn refused(action: &'static str) -> impl Fn(Pkcs11Error) -> Self {
        move |why| Self::Refused { action, why }
    }
}
