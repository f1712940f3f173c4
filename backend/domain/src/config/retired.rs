//! Settings of earlier versions, which are errors that say what to do instead.

use serde::{Deserializer, de::Error};

/// The files with SO-PINs. Whoever could read such a file could erase the HSM at any time.
pub(super) fn so_pin<'de, D: Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(D::Error::custom(
        "the server no longer reads SO-PINs from files: remove this setting and the file, and run `countersign-server so-pin HSM` \
         when an HSM is to be initialised",
    ))
}
