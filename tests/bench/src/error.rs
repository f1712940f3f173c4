//! Why a load cannot be put on a module.

use std::path::PathBuf;

use cryptoki::error::Error as Pkcs11Error;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not a module.
    #[error("cannot load the PKCS#11 module {path}: {why}")]
    Module {
        /// Which.
        path: PathBuf,
        /// Why.
        why: Pkcs11Error,
    },
    /// No such token, or several.
    #[error("{} tokens have the label {wanted:?}; there are: {found:?}", found.iter().filter(|label| *label == wanted).count())]
    TokenLabel {
        /// The one that was asked for.
        wanted: String,
        /// Labels of all tokens.
        found: Vec<String>,
    },
    /// The token wants a PIN.
    #[error("the token has no protected authentication path: it needs a PIN")]
    PinNeeded,
    /// No such key, or several.
    #[error("{found} {kind} keys have the label {label:?}, one is needed")]
    KeyLabel {
        /// What was looked for.
        kind: &'static str,
        /// The label.
        label: String,
        /// How many there are.
        found: usize,
    },
    /// The module refused something.
    #[error("cannot {action}: {why}")]
    Refused {
        /// What.
        action: &'static str,
        /// Why.
        why: Pkcs11Error,
    },
    /// The token's public key is of no use.
    #[error("cannot use the token's public key: {0}")]
    PublicKey(String),
    /// No random digests.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    /// The module made something else than a signature.
    #[error("a signature has {found} bytes instead of {wanted}")]
    Length {
        /// By the key.
        wanted: usize,
        /// By the module.
        found: usize,
    },
    /// The module made a wrong signature.
    #[error("a signature is wrong")]
    WrongSignature,
    /// Too slow, or too short.
    #[error("no signature was made in the measured time: measure longer")]
    Nothing,
    /// A bug.
    #[error("a signing thread died")]
    Thread,
}

impl LoadError {
    /// For `map_err`.
    pub(crate) fn refused(action: &'static str) -> impl Fn(Pkcs11Error) -> Self {
        move |why| Self::Refused { action, why }
    }
}
